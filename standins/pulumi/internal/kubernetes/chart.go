package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/downloader"
	"helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/postrender"
	"helm.sh/helm/v3/pkg/registry"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// chartOf finds and loads a release's chart: a directory or archive, one of an HTTP repository, or one of an OCI registry.
func (s settings) chartOf(inputs releaseInputs, options *action.ChartPathOptions, client *registry.Client) (*chart.Chart, string, error) {
	environment := s.helm()
	name := strings.TrimSpace(inputs.Chart)
	options.Version = strings.TrimSpace(inputs.Version)
	if options.Version == "" && inputs.Devel {
		options.Version = ">0.0.0-0"
	}
	options.Verify, options.Keyring = inputs.Verify, inputs.Keyring
	options.CaFile, options.CertFile, options.KeyFile = inputs.Repository.CAFile, inputs.Repository.CertFile, inputs.Repository.KeyFile
	options.Username, options.Password = inputs.Repository.Username, inputs.Repository.Password
	if repository := inputs.Repository.Repo; repository != "" && !registry.IsOCI(name) {
		if _, err := url.ParseRequestURI(repository); err == nil {
			options.RepoURL = repository
		} else if !strings.Contains(name, "/") {
			name = repository + "/" + name
		}
	}
	if found, err := os.Stat(name); err == nil && found.IsDir() && options.RepoURL == "" {
		if _, err := os.Stat(filepath.Join(name, "Chart.yaml")); err != nil {
			return nil, "", fmt.Errorf("chart %s: expected a chart, found a directory without Chart.yaml", name)
		}
	}
	path, err := options.LocateChart(name, environment)
	if err != nil {
		return nil, "", fmt.Errorf("chart %s: %w", name, err)
	}
	loaded, err := loader.Load(path)
	if err != nil {
		return nil, "", fmt.Errorf("chart %s: %w", name, err)
	}
	if kind := loaded.Metadata.Type; kind != "" && kind != "application" {
		return nil, "", fmt.Errorf("chart %s: expected an application, found a chart of type %s, which cannot be installed", name, kind)
	}
	if loaded.Metadata.Dependencies == nil {
		return loaded, path, nil
	}
	missing := action.CheckDependencies(loaded, loaded.Metadata.Dependencies)
	if missing == nil {
		return loaded, path, nil
	}
	if !inputs.DependencyUpdate {
		return nil, "", fmt.Errorf("chart %s: %w. Set dependencyUpdate, or run helm dependency build", name, missing)
	}
	manager := &downloader.Manager{
		Out: io.Discard, ChartPath: path, Keyring: inputs.Keyring, Getters: getter.All(environment), RegistryClient: client,
		RepositoryConfig: environment.RepositoryConfig, RepositoryCache: environment.RepositoryCache,
	}
	if err := manager.Update(); err != nil {
		return nil, "", fmt.Errorf("chart %s: its dependencies: %w", name, err)
	}
	loaded, err = loader.Load(path)
	return loaded, path, err
}

// helm is Helm's own environment, with the provider's settings over it.
func (s settings) helm() *cli.EnvSettings {
	environment, given := cli.New(), s.HelmReleaseSettings
	for at, path := range map[*string]string{
		&environment.PluginsDirectory: given.PluginsPath, &environment.RegistryConfig: given.RegistryConfigPath,
		&environment.RepositoryConfig: given.RepositoryConfigPath, &environment.RepositoryCache: given.RepositoryCache,
	} {
		if path != "" {
			*at = path
		}
	}
	return environment
}

func (s settings) registryClient(repository repositoryInputs) (*registry.Client, error) {
	environment := s.helm()
	if repository.CAFile != "" || repository.CertFile != "" {
		client, err := registry.NewRegistryClientWithTLS(io.Discard, repository.CertFile, repository.KeyFile, repository.CAFile, false,
			environment.RegistryConfig, false)
		if err != nil || repository.Username == "" {
			return client, err
		}
	}
	options := []registry.ClientOption{registry.ClientOptCredentialsFile(environment.RegistryConfig)}
	if repository.Username != "" {
		options = append(options, registry.ClientOptBasicAuth(repository.Username, repository.Password))
	}
	return registry.NewClient(options...)
}

// render makes the manifest that installing would, without a cluster: it shows whether a chart has changed.
func (s settings) render(ctx context.Context, inputs releaseInputs) (*helmrelease.Release, error) {
	client, err := s.registryClient(inputs.Repository)
	if err != nil {
		return nil, err
	}
	install := action.NewInstall(&action.Configuration{RegistryClient: client, Log: func(string, ...any) {}})
	install.SetRegistryClient(client)
	loaded, path, err := s.chartOf(inputs, &install.ChartPathOptions, client)
	if err != nil {
		return nil, err
	}
	if inputs.Lint {
		if problems := action.NewLint().Run([]string{path}, inputs.Values); len(problems.Errors) > 0 {
			return nil, fmt.Errorf("chart %s: helm lint: %w", inputs.Chart, errors.Join(problems.Errors...))
		}
	}
	if install.PostRenderer, err = postRenderer(inputs); err != nil {
		return nil, err
	}
	install.DryRun, install.ClientOnly, install.Replace, install.DisableOpenAPIValidation = true, true, true, true
	install.IncludeCRDs = !inputs.SkipCRDs
	install.ReleaseName, install.Namespace = inputs.Name, inputs.Namespace
	install.SubNotes = inputs.RenderSubchartNotes
	return install.RunWithContext(ctx, loaded, inputs.Values)
}

func postRenderer(inputs releaseInputs) (postrender.PostRenderer, error) {
	if inputs.Postrender == "" {
		return nil, nil
	}
	return postrender.NewExec(inputs.Postrender)
}

// checksum of what a chart renders, with its hooks.
func checksum(rendered *helmrelease.Release, hooks bool) string {
	text := []string{rendered.Manifest}
	for _, hook := range rendered.Hooks {
		if hooks {
			text = append(text, hook.Path, hook.Manifest)
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(text, "\n---\n")))
	return hex.EncodeToString(sum[:])
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

// values of a release: its files, the later over the earlier, and the program's own over them.
func values(inputs resource.PropertyMap, keepNulls bool) (map[string]any, error) {
	merged := map[string]any{}
	files := inputs["valueYamlFiles"]
	for files.IsSecret() {
		files = files.SecretValue().Element
	}
	if files.IsArray() {
		for i, item := range files.ArrayValue() {
			for item.IsSecret() {
				item = item.SecretValue().Element
			}
			if !item.IsAsset() {
				return nil, fmt.Errorf("valueYamlFiles[%d]: expected an asset (FileAsset or StringAsset), got %s", i, item.TypeString())
			}
			text, err := item.AssetValue().Bytes()
			if err != nil {
				return nil, fmt.Errorf("valueYamlFiles[%d]: %w", i, err)
			}
			var read map[string]any
			if err := yaml.Unmarshal(text, &read); err != nil {
				return nil, fmt.Errorf("valueYamlFiles[%d]: %w", i, err)
			}
			merge(merged, read, keepNulls)
		}
	}
	given := inputs["values"]
	for given.IsSecret() {
		given = given.SecretValue().Element
	}
	if given.IsObject() {
		own, _ := helmValue(given).(map[string]any)
		merge(merged, own, keepNulls)
	}
	return merged, nil
}

// helmValue is a value as Helm takes it: nulls mean something to it.
func helmValue(value resource.PropertyValue) any {
	switch {
	case value.IsSecret():
		return helmValue(value.SecretValue().Element)
	case value.IsObject():
		object := map[string]any{}
		for key, entry := range value.ObjectValue() {
			object[string(key)] = helmValue(entry)
		}
		return object
	case value.IsArray():
		items := make([]any, len(value.ArrayValue()))
		for i, item := range value.ArrayValue() {
			items[i] = helmValue(item)
		}
		return items
	}
	return fromProperty(value)
}

// merge puts values over others.
func merge(below, above map[string]any, keepNulls bool) {
	for key, value := range above {
		lower, lowerIsMap := below[key].(map[string]any)
		upper, upperIsMap := value.(map[string]any)
		switch {
		case value == nil && !keepNulls:
		case lowerIsMap && upperIsMap:
			merge(lower, upper, keepNulls)
		default:
			below[key] = withoutNulls(value, keepNulls)
		}
	}
}

func withoutNulls(value any, keep bool) any {
	switch value := value.(type) {
	case map[string]any:
		result := map[string]any{}
		merge(result, value, keep)
		return result
	case []any:
		result := []any{}
		for _, item := range value {
			if item != nil || keep {
				result = append(result, withoutNulls(item, keep))
			}
		}
		return result
	}
	return value
}
