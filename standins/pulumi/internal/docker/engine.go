package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

const defaultHost = "unix:///var/run/docker.sock"

type settings struct {
	Host         string `json:"host"`
	CAMaterial   string `json:"caMaterial"`
	CertMaterial string `json:"certMaterial"`
	KeyMaterial  string `json:"keyMaterial"`
}

// engine is the Docker engine of one provider. It is reached at the first operation, not when it is configured: a preview must
// work before any machine exists.
type engine struct {
	settings settings

	mutex     sync.Mutex
	connected *client.Client
}

func readSettings(config resource.PropertyMap) (settings, error) {
	var s settings
	if err := standin.Decode(config, &s); err != nil {
		return s, err
	}
	if s.Host == "" {
		s.Host = defaultHost
	}
	return s, nil
}

func checkConfig(config resource.PropertyMap) []plugin.CheckFailure {
	s, err := readSettings(config)
	if err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	var failures []plugin.CheckFailure
	if scheme, _, _ := strings.Cut(s.Host, "://"); scheme != "tcp" && scheme != "unix" {
		failures = append(failures, plugin.CheckFailure{
			Property: "host",
			Reason:   fmt.Sprintf("got %q; the lab's stand-in reaches engines at tcp:// and unix:// only", s.Host),
		})
	}
	if (s.CertMaterial == "") != (s.KeyMaterial == "") {
		failures = append(failures, plugin.CheckFailure{
			Property: "certMaterial", Reason: "certMaterial and keyMaterial belong together: give both or neither",
		})
	}
	return failures
}

func (e *engine) configure(config resource.PropertyMap) error {
	s, err := readSettings(config)
	if err != nil {
		return err
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.settings, e.connected = s, nil
	return nil
}

// client makes the client at its first use; the client connects with its first request.
func (e *engine) client() (*client.Client, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if e.connected != nil {
		return e.connected, nil
	}
	options := []client.Opt{client.WithHost(e.settings.Host), client.WithAPIVersionNegotiation()}
	tlsConfig, err := e.settings.tls()
	if err != nil {
		return nil, fmt.Errorf("the provider's TLS settings for %s: %w", e.settings.Host, err)
	}
	if tlsConfig != nil {
		transport := &http.Transport{TLSClientConfig: tlsConfig, IdleConnTimeout: time.Minute}
		// WithHost sets up the transport of the client that it finds, so this one comes first.
		options = append([]client.Opt{client.WithHTTPClient(&http.Client{Transport: transport})}, options...)
		options = append(options, client.WithScheme("https"))
	}
	connected, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("the provider's host %s: %w", e.settings.Host, err)
	}
	e.connected = connected
	return connected, nil
}

// tls is the client's side of mutual TLS; nil for a plain endpoint.
func (s settings) tls() (*tls.Config, error) {
	ca, certificate, key := []byte(s.CAMaterial), []byte(s.CertMaterial), []byte(s.KeyMaterial)
	if len(ca) == 0 && len(certificate) == 0 || !strings.HasPrefix(s.Host, "tcp://") {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("caMaterial: expected a PEM certificate, found none")
		}
	}
	if len(certificate) > 0 {
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("certMaterial and keyMaterial: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// explain adds what to check to an error that comes from the way to the engine rather than from the engine.
func (e *engine) explain(err error) error {
	var lost *url.Error
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &certificate), errors.As(err, &alert), strings.Contains(err.Error(), "tls: "):
		return fmt.Errorf("cannot talk TLS with the Docker engine at %s: %w. Check caMaterial, certMaterial and keyMaterial "+
			"against the CA of the engine's certificate, and that the certificate names this address", e.settings.Host, err)
	case client.IsErrConnectionFailed(err), errors.As(err, &lost):
		return fmt.Errorf("cannot reach the Docker engine at %s: %w. Check that the machine is up and that its docker service "+
			"listens at this address (provider settings host, caMaterial, certMaterial, keyMaterial)", e.settings.Host, err)
	}
	return err
}

// pause between two looks at something that the engine is busy with.
const pause = 200 * time.Millisecond

// eventually repeats until done, for a limited time; the last error is what comes out then.
func eventually(ctx context.Context, limit time.Duration, attempt func() (bool, error)) error {
	deadline := time.Now().Add(limit)
	for {
		done, err := attempt()
		if done {
			return err
		}
		if time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}
