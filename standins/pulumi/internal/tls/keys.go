package tls

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"golang.org/x/crypto/ssh"

	"auto-devops/standins/pulumi/internal/standin"
)

const (
	algorithmRSA     = "RSA"
	algorithmECDSA   = "ECDSA"
	algorithmED25519 = "ED25519"
)

var curves = map[string]elliptic.Curve{
	"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
}

type keyInputs struct {
	Algorithm  string `json:"algorithm"`
	RSABits    int    `json:"rsaBits"`
	ECDSACurve string `json:"ecdsaCurve"`
}

type keyOutputs struct {
	PrivateKeyPem     string `json:"privateKeyPem"`
	PrivateKeyPkcs8   string `json:"privateKeyPemPkcs8"`
	PrivateKeyOpenssh string `json:"privateKeyOpenssh"`
	PublicKeyPem      string `json:"publicKeyPem"`
	PublicKeyOpenssh  string `json:"publicKeyOpenssh"`
	FingerprintMD5    string `json:"publicKeyFingerprintMd5"`
	FingerprintSHA256 string `json:"publicKeyFingerprintSha256"`
}

func checkKey(inputs resource.PropertyMap) []plugin.CheckFailure {
	return slices.Concat(
		oneOf(inputs, "algorithm", algorithmRSA, algorithmECDSA, algorithmED25519),
		oneOf(inputs, "ecdsaCurve", "P224", "P256", "P384", "P521"))
}

func oneOf(inputs resource.PropertyMap, key resource.PropertyKey, allowed ...string) []plugin.CheckFailure {
	if value, given := inputs[key]; given && !slices.Contains(allowed, value.StringValue()) {
		reason := fmt.Sprintf("got %q, allowed: %s", value.StringValue(), strings.Join(allowed, ", "))
		return []plugin.CheckFailure{{Property: key, Reason: reason}}
	}
	return nil
}

func createKey(_ context.Context, call *standin.Call) (string, resource.PropertyMap, error) {
	var inputs keyInputs
	if err := standin.Decode(call.Inputs, &inputs); err != nil {
		return "", nil, err
	}
	key, err := generate(inputs)
	if err != nil {
		return "", nil, fmt.Errorf("cannot make a %s key: %w", inputs.Algorithm, err)
	}
	id, outputs, err := describe(key)
	if err != nil {
		return "", nil, fmt.Errorf("cannot encode the %s key: %w", inputs.Algorithm, err)
	}
	found, err := standin.Encode(outputs)
	return id, found, err
}

func generate(inputs keyInputs) (crypto.Signer, error) {
	switch inputs.Algorithm {
	case algorithmRSA:
		return rsa.GenerateKey(rand.Reader, inputs.RSABits)
	case algorithmECDSA:
		return ecdsa.GenerateKey(curves[inputs.ECDSACurve], rand.Reader)
	default:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
}

// describe encodes a key in every form of the resource's outputs; the id is the public key's SHA-1, as upstream.
func describe(key crypto.Signer) (string, keyOutputs, error) {
	var outputs keyOutputs
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", outputs, err
	}
	outputs.PrivateKeyPkcs8 = encode("PRIVATE KEY", pkcs8)
	switch key := key.(type) {
	case *rsa.PrivateKey:
		outputs.PrivateKeyPem = encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return "", outputs, err
		}
		outputs.PrivateKeyPem = encode("EC PRIVATE KEY", der)
	default:
		outputs.PrivateKeyPem = outputs.PrivateKeyPkcs8
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", outputs, err
	}
	outputs.PublicKeyPem = encode("PUBLIC KEY", public)
	// OpenSSH knows no P-224: these outputs are empty then, as upstream.
	if sshKey, err := ssh.NewPublicKey(key.Public()); err == nil {
		outputs.PublicKeyOpenssh = string(ssh.MarshalAuthorizedKey(sshKey))
		outputs.FingerprintMD5 = ssh.FingerprintLegacyMD5(sshKey)
		outputs.FingerprintSHA256 = ssh.FingerprintSHA256(sshKey)
		block, err := ssh.MarshalPrivateKey(key, "")
		if err != nil {
			return "", outputs, err
		}
		outputs.PrivateKeyOpenssh = string(pem.EncodeToMemory(block))
	}
	sum := sha1.Sum(public)
	return hex.EncodeToString(sum[:]), outputs, nil
}

func encode(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// decode is the first block of a PEM text, which must be of one of these kinds.
func decode(text string, kinds ...string) (*pem.Block, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("expected PEM (%s), found none", strings.Join(kinds, " or "))
	}
	if !slices.Contains(kinds, block.Type) {
		return nil, fmt.Errorf("expected PEM of type %s, got %s", strings.Join(kinds, " or "), block.Type)
	}
	return block, nil
}

// parseKey reads a private key and names its algorithm.
func parseKey(text string) (crypto.Signer, string, error) {
	block, err := decode(text, "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
	if err != nil {
		return nil, "", err
	}
	var key any
	switch block.Type {
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, "", err
	}
	switch key := key.(type) {
	case *rsa.PrivateKey:
		return key, algorithmRSA, nil
	case *ecdsa.PrivateKey:
		return key, algorithmECDSA, nil
	case ed25519.PrivateKey:
		return key, algorithmED25519, nil
	}
	return nil, "", errors.New("expected an RSA, ECDSA or ED25519 key")
}
