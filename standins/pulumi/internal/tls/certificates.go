package tls

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

// now is the clock; tests move it.
var now = time.Now

// The uses that the program asks for; RFC 5280 has more.
var keyUsages = map[string]x509.KeyUsage{
	"digital_signature": x509.KeyUsageDigitalSignature,
	"cert_signing":      x509.KeyUsageCertSign,
	"crl_signing":       x509.KeyUsageCRLSign,
	"key_encipherment":  x509.KeyUsageKeyEncipherment,
}

var extendedKeyUsages = map[string]x509.ExtKeyUsage{
	"server_auth": x509.ExtKeyUsageServerAuth,
	"client_auth": x509.ExtKeyUsageClientAuth,
}

type subject struct {
	CommonName   string `json:"commonName"`
	Organization string `json:"organization"`
}

// requestInputs are whom a certificate is for.
type requestInputs struct {
	PrivateKeyPem string   `json:"privateKeyPem"`
	Subject       subject  `json:"subject"`
	DNSNames      []string `json:"dnsNames"`
	IPAddresses   []string `json:"ipAddresses"`
}

// certificateInputs are what a certificate says beside that.
type certificateInputs struct {
	AllowedUses         []string `json:"allowedUses"`
	ValidityPeriodHours int      `json:"validityPeriodHours"`
	EarlyRenewalHours   int      `json:"earlyRenewalHours"`
	IsCACertificate     bool     `json:"isCaCertificate"`
	SetSubjectKeyID     bool     `json:"setSubjectKeyId"`
}

type selfSignedInputs struct {
	certificateInputs
	PrivateKeyPem string  `json:"privateKeyPem"`
	Subject       subject `json:"subject"`
}

type locallySignedInputs struct {
	certificateInputs
	CACertPem       string `json:"caCertPem"`
	CAPrivateKeyPem string `json:"caPrivateKeyPem"`
	CertRequestPem  string `json:"certRequestPem"`
}

type certificateOutputs struct {
	CertPem           string `json:"certPem"`
	KeyAlgorithm      string `json:"keyAlgorithm,omitempty"`
	CAKeyAlgorithm    string `json:"caKeyAlgorithm,omitempty"`
	ReadyForRenewal   bool   `json:"readyForRenewal"`
	ValidityStartTime string `json:"validityStartTime"`
	ValidityEndTime   string `json:"validityEndTime"`
}

func checkNames(inputs resource.PropertyMap) []plugin.CheckFailure {
	var names requestInputs
	if err := standin.Decode(inputs, &names); err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	var failures []plugin.CheckFailure
	for _, address := range names.IPAddresses {
		if net.ParseIP(address) == nil {
			failures = append(failures, plugin.CheckFailure{
				Property: "ipAddresses", Reason: fmt.Sprintf("%q is not an IP address", address),
			})
		}
	}
	return failures
}

func checkCertificate(inputs resource.PropertyMap) []plugin.CheckFailure {
	var certificate certificateInputs
	if err := standin.Decode(inputs, &certificate); err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	var failures []plugin.CheckFailure
	known := slices.Sorted(maps.Keys(keyUsages))
	known = slices.Sorted(slices.Values(append(known, slices.Collect(maps.Keys(extendedKeyUsages))...)))
	for _, use := range certificate.AllowedUses {
		if !slices.Contains(known, use) {
			failures = append(failures, plugin.CheckFailure{
				Property: "allowedUses", Reason: fmt.Sprintf("got %q, allowed: %s", use, strings.Join(known, ", ")),
			})
		}
	}
	for key, hours := range map[resource.PropertyKey]int{
		"validityPeriodHours": certificate.ValidityPeriodHours, "earlyRenewalHours": certificate.EarlyRenewalHours,
	} {
		if hours < 0 {
			failures = append(failures, plugin.CheckFailure{
				Property: key, Reason: fmt.Sprintf("got %d, expected 0 or more", hours),
			})
		}
	}
	return failures
}

func (s subject) name() pkix.Name {
	name := pkix.Name{CommonName: s.CommonName}
	if s.Organization != "" {
		name.Organization = []string{s.Organization}
	}
	return name
}

// addresses parses the alternative names; Check has refused bad ones already, except those that were unknown then.
func (r requestInputs) addresses() ([]net.IP, error) {
	var addresses []net.IP
	for _, text := range r.IPAddresses {
		address := net.ParseIP(text)
		if address == nil {
			return nil, fmt.Errorf("ipAddresses: %q is not an IP address", text)
		}
		addresses = append(addresses, address)
	}
	return addresses, nil
}

func createRequest(_ context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs requestInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	key, algorithm, err := parseKey(inputs.PrivateKeyPem)
	if err != nil {
		return "", nil, fmt.Errorf("privateKeyPem: %w", err)
	}
	addresses, err := inputs.addresses()
	if err != nil {
		return "", nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: inputs.Subject.name(), DNSNames: inputs.DNSNames, IPAddresses: addresses,
	}, key)
	if err != nil {
		return "", nil, fmt.Errorf("cannot make the certificate request: %w", err)
	}
	sum := sha1.Sum(der)
	return hex.EncodeToString(sum[:]), resource.PropertyMap{
		"certRequestPem": resource.NewProperty(encode("CERTIFICATE REQUEST", der)),
		"keyAlgorithm":   resource.NewProperty(algorithm),
	}, nil
}

func createSelfSigned(_ context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs selfSignedInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	key, algorithm, err := parseKey(inputs.PrivateKeyPem)
	if err != nil {
		return "", nil, fmt.Errorf("privateKeyPem: %w", err)
	}
	template := &x509.Certificate{Subject: inputs.Subject.name()}
	id, outputs, err := issue(inputs.certificateInputs, template, template, key.Public(), key)
	if err != nil {
		return "", nil, err
	}
	outputs.KeyAlgorithm = algorithm
	found, err := standin.Encode(outputs)
	return id, found, err
}

func createLocallySigned(ctx context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs locallySignedInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	request, err := parseRequest(inputs.CertRequestPem)
	if err != nil {
		return "", nil, fmt.Errorf("certRequestPem: %w", err)
	}
	caKey, algorithm, err := parseKey(inputs.CAPrivateKeyPem)
	if err != nil {
		return "", nil, fmt.Errorf("caPrivateKeyPem: %w", err)
	}
	block, err := decode(inputs.CACertPem, "CERTIFICATE")
	if err != nil {
		return "", nil, fmt.Errorf("caCertPem: %w", err)
	}
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", nil, fmt.Errorf("caCertPem: %w", err)
	}
	if !ca.IsCA {
		call.Warn(ctx, "caCertPem is not a certificate authority's: clients will not accept what it signs")
	}
	template := &x509.Certificate{
		Subject: request.Subject, DNSNames: request.DNSNames, IPAddresses: request.IPAddresses,
	}
	id, outputs, err := issue(inputs.certificateInputs, template, ca, request.PublicKey, caKey)
	if err != nil {
		return "", nil, err
	}
	outputs.CAKeyAlgorithm = algorithm
	found, err := standin.Encode(outputs)
	return id, found, err
}

func parseRequest(text string) (*x509.CertificateRequest, error) {
	block, err := decode(text, "CERTIFICATE REQUEST")
	if err != nil {
		return nil, err
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	return request, request.CheckSignature()
}

// issue fills in the template and signs it; the id is the serial number.
func issue(
	inputs certificateInputs, template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer,
) (string, certificateOutputs, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return "", certificateOutputs{}, fmt.Errorf("cannot make a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = now()
	template.NotAfter = template.NotBefore.Add(time.Duration(inputs.ValidityPeriodHours) * time.Hour)
	template.BasicConstraintsValid = true
	for _, use := range inputs.AllowedUses {
		template.KeyUsage |= keyUsages[use]
		if usage, ok := extendedKeyUsages[use]; ok {
			template.ExtKeyUsage = append(template.ExtKeyUsage, usage)
		}
	}
	if inputs.IsCACertificate {
		if template.Subject.String() == "" {
			return "", certificateOutputs{}, errors.New(
				"subject: a certificate authority needs at least one name in its subject, such as commonName")
		}
		template.IsCA = true
	}
	if inputs.IsCACertificate || inputs.SetSubjectKeyID {
		if template.SubjectKeyId, err = subjectKeyID(public); err != nil {
			return "", certificateOutputs{}, fmt.Errorf("cannot make the subject key identifier: %w", err)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return "", certificateOutputs{}, fmt.Errorf("cannot sign the certificate: %w", err)
	}
	return serial.String(), certificateOutputs{
		CertPem:           encode("CERTIFICATE", der),
		ValidityStartTime: template.NotBefore.Format(time.RFC3339),
		ValidityEndTime:   template.NotAfter.Format(time.RFC3339),
	}, nil
}

// subjectKeyID is the SHA-1 of the public key's bits (RFC 5280, 4.2.1.2, method 1).
func subjectKeyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, err
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, err
	}
	sum := sha1.Sum(info.PublicKey.Bytes)
	return sum[:], nil
}

// renewalDue says whether the certificate in the state has expired, or is about to by the inputs' measure.
func renewalDue(call *standin.Call) (bool, error) {
	end, given := call.Outputs["validityEndTime"]
	early := call.Inputs["earlyRenewalHours"]
	if !given || !end.IsString() || !early.IsNumber() {
		return false, nil
	}
	limit, err := time.Parse(time.RFC3339, end.StringValue())
	if err != nil {
		return false, fmt.Errorf("validityEndTime in the state: %w", err)
	}
	return !now().Before(limit.Add(-time.Duration(early.NumberValue()) * time.Hour)), nil
}

func diffRenewal(call *standin.Call, diff *plugin.DiffResult) error {
	due, err := renewalDue(call)
	if due {
		diff.DetailedDiff["readyForRenewal"] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
	}
	return err
}

func readCertificate(_ context.Context, call *standin.Call) (resource.PropertyMap, bool, error) {
	due, err := renewalDue(call)
	return resource.PropertyMap{"readyForRenewal": resource.NewProperty(due)}, true, err
}

// updateCertificate changes nothing but the state: only inputs that are not in the certificate can get here.
func updateCertificate(context.Context, *standin.Call) (resource.PropertyMap, error) {
	return resource.PropertyMap{}, nil
}
