package gitlab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"gitlab.com/gitlab-org/api/client-go"

	"auto-devops/standins/pulumi/internal/standin"
)

type settings struct {
	BaseURL        string `json:"baseUrl"`
	Token          string `json:"token"`
	CACertFile     string `json:"cacertFile"`
	EarlyAuthCheck bool   `json:"earlyAuthCheck"`
}

// server is the GitLab of one provider. It is reached at the first operation, not when it is configured: the program that
// configures it may be the one that makes it.
type server struct {
	settings settings

	mutex     sync.Mutex
	connected *gitlab.Client
}

func readSettings(config resource.PropertyMap) (settings, error) {
	var s settings
	if err := standin.Decode(config, &s); err != nil {
		return s, err
	}
	return s, nil
}

func checkConfig(config resource.PropertyMap) []plugin.CheckFailure {
	s, err := readSettings(config)
	if err != nil {
		return []plugin.CheckFailure{{Reason: err.Error()}}
	}
	var failures []plugin.CheckFailure
	fail := func(property resource.PropertyKey, format string, args ...any) {
		failures = append(failures, plugin.CheckFailure{Property: property, Reason: fmt.Sprintf(format, args...)})
	}
	base, err := url.Parse(s.BaseURL)
	switch {
	case s.BaseURL == "":
		fail("baseUrl", "missing: give your GitLab's address, such as https://gitlab.example.com/api/v4/; "+
			"the lab's stand-in does not go to gitlab.com by itself")
	case err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http":
		fail("baseUrl", "got %q, expected an address such as https://gitlab.example.com/api/v4/", s.BaseURL)
	}
	if s.Token == "" {
		fail("token", "missing: give a personal, group or project access token")
	}
	if s.EarlyAuthCheck {
		fail("earlyAuthCheck", "the lab's stand-in reaches GitLab at the first resource, never earlier: give false")
	}
	return failures
}

func (s *server) configure(config resource.PropertyMap) error {
	read, err := readSettings(config)
	if err != nil {
		return err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.settings, s.connected = read, nil
	return nil
}

// client makes the client at its first use; the client connects with its first request.
func (s *server) client() (*gitlab.Client, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.connected != nil {
		return s.connected, nil
	}
	roots, err := s.settings.roots()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     time.Minute,
		MaxIdleConnsPerHost: 10,
	}
	options := []gitlab.ClientOptionFunc{
		gitlab.WithBaseURL(s.settings.BaseURL),
		gitlab.WithHTTPClient(&http.Client{Transport: transport}),
		gitlab.WithUserAgent("auto-devops-lab/pulumi-resource-gitlab"),
	}
	// A bearer token, as the official provider sends it: GitLab takes every kind of access token so.
	connected, err := gitlab.NewAuthSourceClient(bearer(s.settings.Token), options...)
	if err != nil {
		return nil, fmt.Errorf("the provider's baseUrl %s: %w", s.settings.BaseURL, err)
	}
	s.connected = connected
	return connected, nil
}

// bearer sends a token as `Authorization: Bearer`.
type bearer string

func (bearer) Init(context.Context, *gitlab.Client) error { return nil }

func (b bearer) Header(context.Context) (string, string, error) {
	return "Authorization", "Bearer " + string(b), nil
}

// roots are the authorities that GitLab's certificate is verified with; nil means this computer's.
func (s settings) roots() (*x509.CertPool, error) {
	if s.CACertFile == "" {
		return nil, nil
	}
	text, err := os.ReadFile(s.CACertFile)
	if err != nil {
		return nil, fmt.Errorf("the provider's cacertFile: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the provider's cacertFile %s has no PEM certificate", s.CACertFile)
	}
	return pool, nil
}

// answer is what GitLab tells about something, by its own names.
type answer map[string]any

// request asks GitLab for something under its API; a query is a struct of client-go's, a body what JSON can have.
func (s *server) request(ctx context.Context, method, path string, content any) (answer, error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	request, err := client.NewRequest(method, path, content, []gitlab.RequestOptionFunc{gitlab.WithContext(ctx)})
	if err != nil {
		return nil, fmt.Errorf("cannot ask for %s %s: %w", method, path, err)
	}
	var found answer
	var into any
	if method != http.MethodDelete {
		into = &found
	}
	if _, err := client.Do(request, into); err != nil {
		return nil, s.explain(err, method, path)
	}
	return found, nil
}

// explain adds what client-go leaves out of its errors, and what helps with the usual causes.
func (s *server) explain(err error, method, path string) error {
	var unknownAuthority x509.UnknownAuthorityError
	var refused *gitlab.ErrorResponse
	switch {
	case errors.Is(err, gitlab.ErrNotFound):
		return fmt.Errorf("%s %s: %w", method, path, err)
	case errors.As(err, &unknownAuthority):
		return fmt.Errorf("%w; give the CA that signed GitLab's certificate as the provider's cacertFile (now %q)",
			err, s.settings.CACertFile)
	case errors.As(err, &refused) && refused.HasStatusCode(http.StatusUnauthorized):
		return fmt.Errorf("%w; the provider's token is unknown to this GitLab, expired or revoked", err)
	}
	return err
}

// join is a path of the API; every segment may have any characters.
func join(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, segment := range segments {
		escaped[i] = gitlab.PathEscape(segment)
	}
	return strings.Join(escaped, "/")
}

// isGone says whether GitLab does not know what was asked for.
func isGone(err error) bool { return errors.Is(err, gitlab.ErrNotFound) }
