package kubernetes

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// writeChart makes a chart with one template; it returns its directory.
func writeChart(t *testing.T, metadata, template string) string {
	t.Helper()
	directory := t.TempDir()
	for path, text := range map[string]string{
		"Chart.yaml":               "apiVersion: v2\nname: micro\nversion: 0.1.0\n" + metadata,
		"values.yaml":              "image: nginx:1\nnested: {kept: yes, port: 80}\n",
		"templates/configmap.yaml": template,
	} {
		path = filepath.Join(directory, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

const template = `apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-conf, namespace: {{ .Release.Namespace }}}
data: {values: {{ toJson .Values | quote }}}
`

func (p *tested) checkRelease(t *testing.T, olds resource.PropertyMap, news map[string]any) plugin.CheckResponse {
	t.Helper()
	all := map[string]any{"name": "n", "namespace": "team", "timeout": 60}
	for key, value := range news {
		all[key] = value
	}
	return p.check(t, releaseToken, olds, inputs(all))
}

func TestAChartInADirectoryIsAnotherOneByItsVersionAlone(t *testing.T) {
	p, chart := newProvider(t, nil), writeChart(t, "", template)
	rewrite := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(chart, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first := p.checkRelease(t, nil, map[string]any{"chart": chart})
	if len(first.Failures) > 0 || first.Properties["version"].StringValue() != "0.1.0" {
		t.Fatal(first)
	}
	rewrite("templates/configmap.yaml", template+"---\n"+strings.ReplaceAll(template, "-conf", "-more"))
	again := p.checkRelease(t, first.Properties, map[string]any{"chart": chart})
	if diff := p.diff(t, releaseToken, first.Properties, again.Properties); diff.Changes != plugin.DiffNone {
		t.Errorf("another template makes %v", diff.DetailedDiff)
	}
	rewrite("Chart.yaml", "apiVersion: v2\nname: micro\nversion: 0.2.0\n")
	changed := p.checkRelease(t, first.Properties, map[string]any{"chart": chart})
	if diff := p.diff(t, releaseToken, first.Properties, changed.Properties); diff.DetailedDiff["version"].Kind != plugin.DiffUpdate || diff.Replace() {
		t.Errorf("another version makes %v", diff.DetailedDiff)
	}
}

func TestWhatOlderStatesHaveBesideIsNoDifference(t *testing.T) {
	p, chart := newProvider(t, nil), writeChart(t, "", template)
	news := p.checkRelease(t, nil, map[string]any{"chart": chart, "compat": "true"}).Properties
	old := news.Copy()
	for _, name := range notInputs {
		if _, ok := news[name]; ok {
			t.Errorf("%s is an input", name)
		}
		old[name] = resource.NewProperty("x")
	}
	if diff := p.diff(t, releaseToken, old, news); diff.Changes != plugin.DiffNone {
		t.Errorf("got %v", diff.DetailedDiff)
	}
}

func TestADirectoryIsSoughtFromThePluginsOwn(t *testing.T) {
	p, chart := newProvider(t, nil), writeChart(t, "", template)
	t.Chdir(filepath.Dir(chart))
	if checked := p.checkRelease(t, nil, map[string]any{"chart": "./" + filepath.Base(chart)}); len(checked.Failures) > 0 {
		t.Error(checked.Failures)
	}
}

func TestAReleaseOfAnotherNameIsAnotherRelease(t *testing.T) {
	p, chart := newProvider(t, nil), writeChart(t, "", template)
	for _, key := range []string{"name", "namespace"} {
		old := p.checkRelease(t, nil, map[string]any{"chart": chart}).Properties
		given := map[string]any{"chart": chart, key: "other"}
		if diff := p.diff(t, releaseToken, old, p.checkRelease(t, old, given).Properties); diff.DetailedDiff[key].Kind != plugin.DiffUpdateReplace {
			t.Errorf("%s: got %v", key, diff.DetailedDiff)
		}
	}
}

func TestValuesKeepTheirSecretsAndLoseTheirNulls(t *testing.T) {
	p, chart := newProvider(t, nil), writeChart(t, "", template)
	checked := p.checkRelease(t, nil, map[string]any{"chart": chart, "values": map[string]any{
		"a": map[string]any{"r": 3, "none": nil}, "password": resource.MakeSecret(resource.NewProperty("hunter2hunter2")), "none": nil,
	}})
	if len(checked.Failures) > 0 {
		t.Fatal(checked.Failures)
	}
	got := checked.Properties["values"].ObjectValue()
	if !got["password"].IsSecret() || got["none"].HasValue() || got["a"].ObjectValue()["r"].NumberValue() != 3 ||
		len(got["a"].ObjectValue()) != 1 {
		t.Errorf("got %v", got)
	}
}

func TestTheChartOfAReleaseWithUnknownValuesIsNotLookedAt(t *testing.T) {
	p := newProvider(t, nil)
	checked := p.checkRelease(t, nil, map[string]any{
		"chart": "./not/there/yet", "values": resource.MakeComputed(resource.NewProperty("")),
	})
	if _, known := checked.Properties["version"]; len(checked.Failures) > 0 || known {
		t.Errorf("got %v", checked)
	}
	created, err := p.create(t, releaseToken, checked.Properties, true)
	if err != nil || created.ID != "" {
		t.Errorf("got %v, %v", created, err)
	}
}

func TestWhatIsWrongWithAReleaseIsToldBeforeAnythingIsDone(t *testing.T) {
	p := newProvider(t, nil)
	for name, c := range map[string]struct {
		news map[string]any
		want string
	}{
		"no chart":     {map[string]any{}, "missing required property"},
		"no such path": {map[string]any{"chart": "./nowhere"}, `path "./nowhere" not found`},
		"not a chart":  {map[string]any{"chart": t.TempDir()}, "a directory without Chart.yaml"},
		"dependency": {map[string]any{"chart": writeChart(t, "dependencies: [{name: redis, version: 1.x.x, repository: file://../redis}]\n", template)},
			"redis. Run helm dependency build"},
		"unknown input": {map[string]any{"chart": "c", "valeus": 1}, "did you mean values?"},
		"not performed": {map[string]any{"chart": "c", "atomic": true}, "does not perform this property"},
		"no timeout":    {map[string]any{"chart": "c", "timeout": nil}, "no value of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			failures := p.checkRelease(t, nil, c.news).Failures
			if len(failures) != 1 || !strings.Contains(failures[0].Reason, c.want) {
				t.Errorf("got %v, want %s", failures, c.want)
			}
		})
	}
}

func TestATemplateThatFailsIsToldWithoutSecrets(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.checkRelease(t, nil, map[string]any{
		"chart":  writeChart(t, "", `{{ fail (printf "no %s" .Values.password) }}`),
		"values": map[string]any{"password": resource.MakeSecret(resource.NewProperty("hunter2hunter2"))},
	}).Properties
	_, err := p.create(t, releaseToken, news, false)
	if err == nil || !strings.Contains(err.Error(), "no [secret]") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestAReleaseOnAClusterThatIsAwayNamesIt(t *testing.T) {
	server := newAPI(t)
	p := newProvider(t, map[string]any{"kubeconfig": server.kubeconfig()})
	news := p.checkRelease(t, nil, map[string]any{"chart": writeChart(t, "", template)}).Properties
	server.Close()
	_, createErr := p.create(t, releaseToken, news, false)
	_, deleteErr := p.Delete(t.Context(), plugin.DeleteRequest{URN: urn(releaseToken), Type: releaseToken, ID: "team/n", Inputs: news})
	for _, err := range []error{createErr, deleteErr} {
		if err == nil || !strings.Contains(err.Error(), "Release team/n") || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("got %v", err)
		}
	}
}
