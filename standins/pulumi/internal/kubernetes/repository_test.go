package kubernetes

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/repo"
)

// chartRepository serves the chart micro 0.1.0 over TLS to whoever has the login; it returns the file of its CA.
func chartRepository(t *testing.T) (*httptest.Server, string) {
	t.Helper()
	directory := t.TempDir()
	loaded, err := loader.Load(writeChart(t, "", template))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chartutil.Save(loaded, directory); err != nil {
		t.Fatal(err)
	}
	// Without a base URL: the archives are beside the index.
	index, err := repo.IndexDirectory(directory, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := index.WriteFile(filepath.Join(directory, "index.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	files := http.StripPrefix("/charts/", http.FileServer(http.Dir(directory)))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "hunter2hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	authority := filepath.Join(t.TempDir(), "ca.crt")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, authority
}

func TestAChartOfARepository(t *testing.T) {
	// Helm keeps the indexes that it reads.
	t.Setenv("HELM_CACHE_HOME", t.TempDir())
	server, authority := chartRepository(t)
	other := filepath.Join(t.TempDir(), "other.crt")
	if err := os.WriteFile(other, []byte("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	password := resource.MakeSecret(resource.NewProperty("hunter2hunter2"))
	for name, c := range map[string]struct {
		version    string
		repository map[string]any
		want       string
	}{
		"as it is served":    {"0.1.0", map[string]any{"caFile": authority, "username": "me", "password": password}, ""},
		"another version":    {"0.2.0", map[string]any{"caFile": authority, "username": "me", "password": password}, "micro"},
		"no login":           {"0.1.0", map[string]any{"caFile": authority}, "401"},
		"unknown authority":  {"0.1.0", map[string]any{"username": "me", "password": password}, "certificate"},
		"no authority":       {"0.1.0", map[string]any{"caFile": "/nowhere/ca.crt"}, "/nowhere/ca.crt"},
		"no real authority":  {"0.1.0", map[string]any{"caFile": other}, "certificate"},
		"unknown option":     {"0.1.0", map[string]any{"insecure": true}, "unknown property; allowed: caFile"},
		"somewhere else":     {"0.1.0", map[string]any{"repo": server.URL + "/nothing", "caFile": authority, "username": "me", "password": password}, "/nothing"},
		"not a chart of its": {"0.1.0", map[string]any{"chart": "macro", "caFile": authority, "username": "me", "password": password}, "macro"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, map[string]any{"namespace": "team"})
			repository := map[string]any{"repo": server.URL + "/charts"}
			chart := "micro"
			for key, value := range c.repository {
				if key == "chart" {
					chart = value.(string)
					continue
				}
				repository[key] = value
			}
			checked := p.checkRelease(t, nil, map[string]any{
				"name": "n", "chart": chart, "version": c.version, "repositoryOpts": repository,
			})
			if c.want == "" {
				if len(checked.Failures) > 0 {
					t.Fatal(checked.Failures)
				}
				if got := at(t, checked.Properties, `resourceNames["ConfigMap/v1"][0]`); got.StringValue() != "team/n-conf" {
					t.Errorf("got %v", checked.Properties["resourceNames"])
				}
				return
			}
			if len(checked.Failures) != 1 || !strings.Contains(checked.Failures[0].Reason, c.want) {
				t.Errorf("got %v, want %s", checked.Failures, c.want)
			}
			if strings.Contains(checked.Failures[0].Reason, "hunter2") {
				t.Errorf("tells the password: %v", checked.Failures)
			}
		})
	}
}
