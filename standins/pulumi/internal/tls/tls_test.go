package tls

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"auto-devops/standins/pulumi/internal/standin"
)

// stack is a provider and what it made, as a program would use them.
type stack struct {
	t        *testing.T
	provider *standin.Provider
}

func newStack(t *testing.T) stack {
	t.Helper()
	provider, err := standin.New(Package(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return stack{t, provider}
}

const index = "tls:index/"

func (s stack) create(token tokens.Type, values map[string]any) resource.PropertyMap {
	s.t.Helper()
	outputs, err := s.try(token, values)
	if err != nil {
		s.t.Fatal(err)
	}
	return outputs
}

func (s stack) try(token tokens.Type, values map[string]any) (resource.PropertyMap, error) {
	s.t.Helper()
	urn := resource.NewURN("dev", "project", "", index+token, "x")
	checked, err := s.provider.Check(s.t.Context(), plugin.CheckRequest{
		URN: urn, Name: "x", Type: index + token, News: resource.NewPropertyMapFromMap(values),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, failure := range checked.Failures {
		s.t.Errorf("%s: %s", failure.Property, failure.Reason)
	}
	created, err := s.provider.Create(s.t.Context(), plugin.CreateRequest{
		URN: urn, Type: index + token, Properties: checked.Properties,
	})
	return created.Properties, err
}

func text(outputs resource.PropertyMap, key resource.PropertyKey) string {
	return standin.Plain(outputs[key]).StringValue()
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.pem")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	output, err := exec.Command(name, arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, output)
	}
	return string(output)
}

func certificate(t *testing.T, outputs resource.PropertyMap) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text(outputs, "certPem")))
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

var algorithms = map[string]map[string]any{
	"RSA":        {"algorithm": "RSA"},
	"RSA 3072":   {"algorithm": "RSA", "rsaBits": 3072},
	"ECDSA P256": {"algorithm": "ECDSA", "ecdsaCurve": "P256"},
	"ECDSA P384": {"algorithm": "ECDSA", "ecdsaCurve": "P384"},
	"ECDSA P521": {"algorithm": "ECDSA", "ecdsaCurve": "P521"},
	"ED25519":    {"algorithm": "ED25519"},
}

func TestKeysAreWhatTheToolsKnow(t *testing.T) {
	for name, values := range algorithms {
		t.Run(name, func(t *testing.T) {
			key := newStack(t).create("privateKey:PrivateKey", values)
			for _, output := range []resource.PropertyKey{"privateKeyPem", "privateKeyPemPkcs8"} {
				if !key[output].IsSecret() {
					t.Errorf("%s is not secret", output)
				}
				public := run(t, "openssl", "pkey", "-in", file(t, text(key, output)), "-pubout")
				if public != text(key, "publicKeyPem") {
					t.Errorf("%s: openssl derives another public key:\n%s", output, public)
				}
			}
			private := file(t, text(key, "privateKeyOpenssh"))
			if public := run(t, "ssh-keygen", "-y", "-f", private); strings.TrimSpace(public) != strings.TrimSpace(text(key, "publicKeyOpenssh")) {
				t.Errorf("ssh-keygen derives another public key: %s", public)
			}
			public := file(t, text(key, "publicKeyOpenssh"))
			if line := run(t, "ssh-keygen", "-l", "-f", public); !strings.Contains(line, text(key, "publicKeyFingerprintSha256")) {
				t.Errorf("got %s, want %s in it", line, text(key, "publicKeyFingerprintSha256"))
			}
			if line := run(t, "ssh-keygen", "-l", "-E", "md5", "-f", public); !strings.Contains(line, text(key, "publicKeyFingerprintMd5")) {
				t.Errorf("got %s, want %s in it", line, text(key, "publicKeyFingerprintMd5"))
			}
		})
	}
}

func TestKeyBadAlgorithm(t *testing.T) {
	provider := newStack(t).provider
	checked, err := provider.Check(t.Context(), plugin.CheckRequest{
		URN: resource.NewURN("dev", "p", "", index+"privateKey:PrivateKey", "x"), Type: index + "privateKey:PrivateKey",
		News: resource.NewPropertyMapFromMap(map[string]any{"algorithm": "DSA", "ecdsaCurve": "P25"}),
	})
	if err != nil || len(checked.Failures) != 2 || !strings.Contains(checked.Failures[0].Reason, "RSA, ECDSA, ED25519") {
		t.Errorf("got %v, %v", checked.Failures, err)
	}
}

// authority makes a CA with a key of this kind, and returns both.
func (s stack) authority(key map[string]any, more map[string]any) (resource.PropertyMap, resource.PropertyMap) {
	s.t.Helper()
	private := s.create("privateKey:PrivateKey", key)
	values := map[string]any{
		"privateKeyPem": text(private, "privateKeyPem"), "isCaCertificate": true, "validityPeriodHours": 24 * 365,
		"subject":     map[string]any{"commonName": "a CA", "organization": "lab"},
		"allowedUses": []any{"cert_signing", "crl_signing"}, "setSubjectKeyId": true,
	}
	for key, value := range more {
		values[key] = value
	}
	return private, s.create("selfSignedCert:SelfSignedCert", values)
}

func TestOpensslVerifiesWhatAnAuthoritySigns(t *testing.T) {
	for name, algorithm := range algorithms {
		t.Run(name, func(t *testing.T) {
			s := newStack(t)
			caKey, ca := s.authority(algorithm, nil)
			key := s.create("privateKey:PrivateKey", map[string]any{"algorithm": "ECDSA", "ecdsaCurve": "P256"})
			request := s.create("certRequest:CertRequest", map[string]any{
				"privateKeyPem": text(key, "privateKeyPem"),
				"subject":       map[string]any{"commonName": "*.a.test"},
				"dnsNames":      []any{"*.a.test", "a.test"}, "ipAddresses": []any{"10.0.0.1", "fd00::1"},
			})
			if shown := run(t, "openssl", "req", "-verify", "-noout", "-subject", "-in", file(t, text(request, "certRequestPem"))); !strings.Contains(shown, "CN = *.a.test") {
				t.Errorf("got request %s", shown)
			}
			leaf := s.create("locallySignedCert:LocallySignedCert", map[string]any{
				"certRequestPem": text(request, "certRequestPem"), "caCertPem": text(ca, "certPem"),
				"caPrivateKeyPem": text(caKey, "privateKeyPem"), "validityPeriodHours": 48, "earlyRenewalHours": 12,
				"allowedUses": []any{"digital_signature", "server_auth", "client_auth"}, "setSubjectKeyId": true,
			})
			for _, purpose := range []string{"sslserver", "sslclient"} {
				run(t, "openssl", "verify", "-x509_strict", "-purpose", purpose,
					"-CAfile", file(t, text(ca, "certPem")), file(t, text(leaf, "certPem")))
			}
			shown := run(t, "openssl", "x509", "-noout", "-text", "-in", file(t, text(leaf, "certPem")))
			for _, want := range []string{
				"DNS:*.a.test, DNS:a.test, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1",
				"CN = *.a.test", "TLS Web Server Authentication, TLS Web Client Authentication", "CA:FALSE",
			} {
				if !strings.Contains(shown, want) {
					t.Errorf("want %q in\n%s", want, shown)
				}
			}
			if shown := run(t, "openssl", "x509", "-noout", "-text", "-in", file(t, text(ca, "certPem"))); !strings.Contains(shown, "CA:TRUE") {
				t.Errorf("want CA:TRUE in\n%s", shown)
			}
			parsed := certificate(t, leaf)
			end, err := time.Parse(time.RFC3339, text(leaf, "validityEndTime"))
			if err != nil || !end.Equal(parsed.NotAfter) || parsed.NotAfter.Sub(parsed.NotBefore) != 48*time.Hour {
				t.Errorf("valid from %s to %s, output says %s", parsed.NotBefore, parsed.NotAfter, end)
			}
			if text(leaf, "caKeyAlgorithm") != strings.Fields(name)[0] || leaf["readyForRenewal"].BoolValue() {
				t.Errorf("got %v", leaf)
			}
		})
	}
}

func TestFailuresNameTheProperty(t *testing.T) {
	s := newStack(t)
	caKey, ca := s.authority(map[string]any{"algorithm": "ED25519"}, nil)
	otherKey := s.create("privateKey:PrivateKey", map[string]any{"algorithm": "ED25519"})
	request := s.create("certRequest:CertRequest", map[string]any{"privateKeyPem": text(otherKey, "privateKeyPem")})
	locally := func(change map[string]any) map[string]any {
		values := map[string]any{
			"certRequestPem": text(request, "certRequestPem"), "caCertPem": text(ca, "certPem"),
			"caPrivateKeyPem": text(caKey, "privateKeyPem"), "validityPeriodHours": 10, "allowedUses": []any{},
		}
		for key, value := range change {
			values[key] = value
		}
		return values
	}
	cases := map[string]struct {
		token  tokens.Type
		values map[string]any
		want   string
	}{
		"no PEM":           {"certRequest:CertRequest", map[string]any{"privateKeyPem": "x"}, "privateKeyPem: expected PEM"},
		"not a key":        {"certRequest:CertRequest", map[string]any{"privateKeyPem": text(ca, "certPem")}, "got CERTIFICATE"},
		"not a request":    {"locallySignedCert:LocallySignedCert", locally(map[string]any{"certRequestPem": text(ca, "certPem")}), "certRequestPem: expected PEM of type CERTIFICATE REQUEST"},
		"not the CA's key": {"locallySignedCert:LocallySignedCert", locally(map[string]any{"caPrivateKeyPem": text(otherKey, "privateKeyPem")}), "cannot sign the certificate"},
		"no subject": {"selfSignedCert:SelfSignedCert", map[string]any{
			"privateKeyPem": text(caKey, "privateKeyPem"), "isCaCertificate": true, "validityPeriodHours": 1, "allowedUses": []any{},
		}, "subject: a certificate authority needs"},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := s.try(test.token, test.values); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestRenewal(t *testing.T) {
	s := newStack(t)
	caKey, ca := s.authority(map[string]any{"algorithm": "ED25519"}, nil)
	key := s.create("privateKey:PrivateKey", map[string]any{"algorithm": "ED25519"})
	request := s.create("certRequest:CertRequest", map[string]any{"privateKeyPem": text(key, "privateKeyPem")})
	values := map[string]any{
		"certRequestPem": text(request, "certRequestPem"), "caCertPem": text(ca, "certPem"),
		"caPrivateKeyPem": text(caKey, "privateKeyPem"), "validityPeriodHours": 100, "earlyRenewalHours": 10,
		"allowedUses": []any{"server_auth"}, "setSubjectKeyId": true,
	}
	leaf := s.create("locallySignedCert:LocallySignedCert", values)
	urn := resource.NewURN("dev", "p", "", index+"locallySignedCert:LocallySignedCert", "x")
	inputs := resource.NewPropertyMapFromMap(values)
	at := func(hours int) (plugin.DiffResult, plugin.ReadResponse) {
		begin := time.Now()
		now = func() time.Time { return begin.Add(time.Duration(hours) * time.Hour) }
		t.Cleanup(func() { now = time.Now })
		diff, err := s.provider.Diff(t.Context(), plugin.DiffRequest{
			URN: urn, Type: urn.Type(), ID: "1", OldInputs: inputs, OldOutputs: leaf, NewInputs: inputs,
		})
		if err != nil {
			t.Fatal(err)
		}
		read, err := s.provider.Read(t.Context(), plugin.ReadRequest{URN: urn, Type: urn.Type(), ID: "1", Inputs: inputs, State: leaf})
		if err != nil {
			t.Fatal(err)
		}
		return diff, read
	}
	if diff, read := at(89); diff.Changes != plugin.DiffNone || read.Outputs["readyForRenewal"].BoolValue() {
		t.Errorf("before its time: %v", diff)
	}
	for _, hours := range []int{91, 200} {
		diff, read := at(hours)
		if !diff.Replace() || len(diff.ChangedKeys) != 1 || diff.ChangedKeys[0] != "readyForRenewal" {
			t.Errorf("after %d hours: %v", hours, diff)
		}
		if !read.Outputs["readyForRenewal"].BoolValue() {
			t.Errorf("after %d hours a refresh does not show it", hours)
		}
	}
	// How early to renew is not in the certificate: another value issues no new one, unless that is now due.
	later := inputs.Copy()
	later["earlyRenewalHours"] = resource.NewProperty(20.0)
	for hours, replace := range map[int]bool{50: false, 85: true} {
		begin := time.Now()
		now = func() time.Time { return begin.Add(time.Duration(hours) * time.Hour) }
		diff, err := s.provider.Diff(t.Context(), plugin.DiffRequest{
			URN: urn, Type: urn.Type(), ID: "1", OldInputs: inputs, OldOutputs: leaf, NewInputs: later,
		})
		if err != nil || diff.Replace() != replace || diff.Changes != plugin.DiffSome {
			t.Errorf("after %d hours: %v, %v", hours, diff, err)
		}
	}
	now = time.Now
	updated, err := s.provider.Update(t.Context(), plugin.UpdateRequest{
		URN: urn, Type: urn.Type(), ID: "1", OldInputs: inputs, OldOutputs: leaf, NewInputs: later,
	})
	if err != nil || text(updated.Properties, "certPem") != text(leaf, "certPem") || updated.Properties["earlyRenewalHours"].NumberValue() != 20 {
		t.Errorf("got %v, %v", updated.Properties, err)
	}
}

func TestOtherInputsReplace(t *testing.T) {
	s := newStack(t)
	urn := resource.NewURN("dev", "p", "", index+"certRequest:CertRequest", "x")
	diff, err := s.provider.Diff(t.Context(), plugin.DiffRequest{
		URN: urn, Type: urn.Type(), ID: "1",
		OldInputs: resource.NewPropertyMapFromMap(map[string]any{"privateKeyPem": "k", "dnsNames": []any{"a"}}),
		NewInputs: resource.NewPropertyMapFromMap(map[string]any{"privateKeyPem": "k", "dnsNames": []any{"a", "b"}}),
	})
	if err != nil || !diff.Replace() {
		t.Errorf("got %v, %v", diff, err)
	}
}

func TestAnIssuerThatIsNoAuthorityIsWarnedAbout(t *testing.T) {
	s := newStack(t)
	key, notCA := s.authority(map[string]any{"algorithm": "ED25519"}, map[string]any{"isCaCertificate": false})
	request := s.create("certRequest:CertRequest", map[string]any{"privateKeyPem": text(key, "privateKeyPem")})
	warned := false
	_, _, err := createLocallySigned(t.Context(), &standin.Call{
		Inputs: resource.PropertyMap{
			"certRequestPem": request["certRequestPem"], "caCertPem": notCA["certPem"],
			"caPrivateKeyPem": standin.Plain(key["privateKeyPem"]), "validityPeriodHours": resource.NewProperty(1.0),
		},
		Log: func(_ context.Context, severity diag.Severity, _ string, _ bool) { warned = severity == diag.Warning },
	})
	if err != nil || !warned {
		t.Errorf("warned: %v, %v", warned, err)
	}
}

func TestWhatNobodyRegistersIsRefused(t *testing.T) {
	s := newStack(t)
	for token, input := range map[tokens.Type]string{
		"certRequest:CertRequest": "uris", "selfSignedCert:SelfSignedCert": "dnsNames", "locallySignedCert:LocallySignedCert": "isCaCertificate",
	} {
		var value any = []any{"a"}
		if input == "isCaCertificate" {
			value = true
		}
		checked, err := s.provider.Check(t.Context(), plugin.CheckRequest{
			URN: resource.NewURN("dev", "p", "", index+token, "x"), Type: index + token,
			News: resource.NewPropertyMapFromMap(map[string]any{input: value}),
		})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, failure := range checked.Failures {
			found = found || string(failure.Property) == input && strings.Contains(failure.Reason, "does not perform")
		}
		if !found {
			t.Errorf("%s.%s: got %v", token, input, checked.Failures)
		}
	}
}
