package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// chartOf finds and loads a release's chart: a directory, or one of an HTTP repository.
func chartOf(inputs releaseInputs, options *action.ChartPathOptions) (*chart.Chart, error) {
	options.Version, options.RepoURL, options.CaFile = inputs.Version, inputs.Repository.Repo, inputs.Repository.CAFile
	if found, err := os.Stat(inputs.Chart); err == nil && found.IsDir() && options.RepoURL == "" {
		if _, err := os.Stat(filepath.Join(inputs.Chart, "Chart.yaml")); err != nil {
			return nil, fmt.Errorf("chart %s: expected a chart, found a directory without Chart.yaml", inputs.Chart)
		}
	}
	path, err := options.LocateChart(inputs.Chart, cli.New())
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", inputs.Chart, err)
	}
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, fmt.Errorf("chart %s: %w", inputs.Chart, err)
	}
	if missing := action.CheckDependencies(loaded, loaded.Metadata.Dependencies); missing != nil {
		return nil, fmt.Errorf("chart %s: %w. Run helm dependency build", inputs.Chart, missing)
	}
	return loaded, nil
}

// objectsOf a manifest.
func objectsOf(manifest string) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	documents := releaseutil.SplitManifests(manifest)
	for _, key := range keys(documents) {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(documents[key]), &object); err != nil {
			return nil, fmt.Errorf("what the chart renders is not YAML: %w", err)
		}
		if found := (&unstructured.Unstructured{Object: object}); found.GetKind() != "" {
			objects = append(objects, found)
		}
	}
	return objects, nil
}

// resourceNames of a manifest, by kind and version.
func resourceNames(manifest string) (resource.PropertyValue, error) {
	objects, err := objectsOf(manifest)
	if err != nil {
		return resource.PropertyValue{}, err
	}
	names := map[string][]string{}
	for _, object := range objects {
		key := object.GroupVersionKind().GroupKind().String() + "/" + object.GetAPIVersion()
		names[key] = append(names[key], address(object))
	}
	result := resource.PropertyMap{}
	for key, list := range names {
		slices.Sort(list)
		result[resource.PropertyKey(key)] = resource.NewPropertyValue(slices.Compact(list))
	}
	return resource.NewProperty(result), nil
}

// values of a release as Helm takes them: nulls would mean something to it, and are left out.
func values(given resource.PropertyValue) map[string]any {
	plain, _ := fromProperty(given).(map[string]any)
	if plain == nil {
		return map[string]any{}
	}
	return plain
}
