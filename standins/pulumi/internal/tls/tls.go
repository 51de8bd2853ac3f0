// Package tls performs `tls:index` for the lab: keys, requests and certificates as terraform-provider-tls makes them, on
// which the official provider is built. It owns no files: everything is in the stack's state.
package tls

import (
	_ "embed"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"auto-devops/standins/pulumi/internal/standin"
)

//go:embed schema.json
var schema []byte

// Package is the provider.
func Package() *standin.Package {
	return &standin.Package{
		Version: "5.6.2",
		Schema:  schema,
		Resources: map[string]*standin.Resource{
			"tls:index/privateKey:PrivateKey": {
				Performed: strings.Fields("algorithm ecdsaCurve rsaBits"),
				InPlace:   []string{},
				Defaults: resource.PropertyMap{
					"ecdsaCurve": resource.NewProperty("P224"), "rsaBits": resource.NewProperty(2048.0),
				},
				Check:  checkKey,
				Create: createKey,
			},
			"tls:index/certRequest:CertRequest": {
				Performed: strings.Fields("dnsNames ipAddresses privateKeyPem subject.commonName subject.organization"),
				InPlace:   []string{},
				Check:     checkNames,
				Create:    createRequest,
			},
			"tls:index/selfSignedCert:SelfSignedCert": {
				Performed: strings.Fields("allowedUses isCaCertificate privateKeyPem setSubjectKeyId subject.commonName " +
					"subject.organization validityPeriodHours"),
				InPlace: renewalInputs,
				Defaults: certificateDefaults(resource.PropertyMap{
					"setAuthorityKeyId": resource.NewProperty(false),
				}),
				Check:  checkCertificate,
				Diff:   diffRenewal,
				Create: createSelfSigned,
				Read:   readCertificate,
				Update: updateCertificate,
			},
			"tls:index/locallySignedCert:LocallySignedCert": {
				Performed: strings.Fields("allowedUses caCertPem caPrivateKeyPem certRequestPem earlyRenewalHours setSubjectKeyId " +
					"validityPeriodHours"),
				InPlace:  renewalInputs,
				Defaults: certificateDefaults(nil),
				Check:    checkCertificate,
				Diff:     diffRenewal,
				Create:   createLocallySigned,
				Read:     readCertificate,
				Update:   updateCertificate,
			},
		},
	}
}

// renewalInputs say when to renew; they are not in the certificate, so a change of them issues none.
var renewalInputs = []string{"earlyRenewalHours"}

// certificateDefaults are in the outputs; what of them is not performed has no other value.
func certificateDefaults(more resource.PropertyMap) resource.PropertyMap {
	defaults := resource.PropertyMap{
		"earlyRenewalHours": resource.NewProperty(0.0),
		"isCaCertificate":   resource.NewProperty(false),
		"maxPathLength":     resource.NewProperty(-1.0),
		"setSubjectKeyId":   resource.NewProperty(false),
	}
	for key, value := range more {
		defaults[key] = value
	}
	return defaults
}
