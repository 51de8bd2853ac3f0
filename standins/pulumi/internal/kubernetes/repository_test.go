package kubernetes

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/repo"
)

// chartRepository serves the chart micro 0.1.0 over TLS; it returns the file of its CA.
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
	server := httptest.NewTLSServer(files)
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
	for name, c := range map[string]struct {
		version    string
		repository map[string]any
		want       string
	}{
		"as it is served":    {"0.1.0", map[string]any{"caFile": authority}, ""},
		"another version":    {"0.2.0", map[string]any{"caFile": authority}, "micro"},
		"a login":            {"0.1.0", map[string]any{"caFile": authority, "username": "me"}, "does not perform"},
		"unknown authority":  {"0.1.0", map[string]any{}, "certificate"},
		"no authority":       {"0.1.0", map[string]any{"caFile": "/nowhere/ca.crt"}, "/nowhere/ca.crt"},
		"no real authority":  {"0.1.0", map[string]any{"caFile": other}, "certificate"},
		"unknown option":     {"0.1.0", map[string]any{"insecure": true}, "unknown property; allowed: caFile"},
		"somewhere else":     {"0.1.0", map[string]any{"repo": server.URL + "/nothing", "caFile": authority}, "/nothing"},
		"not a chart of its": {"0.1.0", map[string]any{"chart": "macro", "caFile": authority}, "macro"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, nil)
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
				if got := checked.Properties["version"].StringValue(); got != c.version {
					t.Errorf("got %s", got)
				}
				return
			}
			if len(checked.Failures) != 1 || !strings.Contains(checked.Failures[0].Reason, c.want) {
				t.Errorf("got %v, want %s", checked.Failures, c.want)
			}
		})
	}
}
