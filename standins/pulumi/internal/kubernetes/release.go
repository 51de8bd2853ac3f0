package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"helm.sh/helm/v3/pkg/action"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"auto-devops/standins/pulumi/internal/standin"
)

// These are filled in beside the inputs: the first when they are checked, the others from what Helm has done.
const (
	versionKey resource.PropertyKey = "version"
	namesKey   resource.PropertyKey = "resourceNames"
	statusKey  resource.PropertyKey = "status"
)

// notInputs are in the inputs of older states, or come from the SDK, and are no difference (pulumi-kubernetes 4.33,
// provider/pkg/provider/helm_release.go, Diff).
var notInputs = []resource.PropertyKey{"checksum", "compat", namesKey}

type repositoryInputs struct {
	Repo   string `json:"repo"`
	CAFile string `json:"caFile"`
}

type releaseInputs struct {
	Name       string           `json:"name"`
	Namespace  string           `json:"namespace"`
	Chart      string           `json:"chart"`
	Version    string           `json:"version"`
	Repository repositoryInputs `json:"repositoryOpts"`
	Values     map[string]any   `json:"-"`
	Timeout    int              `json:"timeout"`
}

func (r releaseInputs) timeout() time.Duration { return time.Duration(r.Timeout) * time.Second }

func (r releaseInputs) id() string { return r.Namespace + "/" + r.Name }

func readRelease(properties resource.PropertyMap) (releaseInputs, error) {
	var inputs releaseInputs
	plain := properties.Copy()
	// Values are anything.
	delete(plain, "values")
	inputs.Values = values(properties["values"])
	return inputs, standin.Decode(plain, &inputs)
}

func (p *Provider) checkRelease(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	checked, err := p.Provider.Check(ctx, req)
	if err != nil || len(checked.Failures) > 0 {
		return checked, err
	}
	inputs := checked.Properties
	for _, name := range notInputs {
		delete(inputs, name)
	}
	for _, name := range []resource.PropertyKey{"name", "namespace", "timeout"} {
		if !given(inputs, name) {
			checked.Failures = append(checked.Failures, plugin.CheckFailure{
				Property: name, Reason: "missing: the lab's stand-in has no value of its own for it",
			})
		}
	}
	if len(checked.Failures) > 0 {
		return checked, nil
	}
	if inputs.ContainsUnknowns() {
		return plugin.CheckResponse{Properties: inputs}, nil
	}
	if failure := completeRelease(inputs); failure != nil {
		return plugin.CheckResponse{Properties: inputs, Failures: []plugin.CheckFailure{*failure}}, nil
	}
	return plugin.CheckResponse{Properties: inputs}, nil
}

// completeRelease adds the chart's version, by which a chart in a directory shows that it is another one: what else its files
// have is not looked at, as officially (pulumi-kubernetes 4.33, provider/pkg/provider/helm_release.go, Check).
func completeRelease(inputs resource.PropertyMap) *plugin.CheckFailure {
	release, err := readRelease(inputs)
	if err != nil {
		return &plugin.CheckFailure{Reason: hide(err, inputs).Error()}
	}
	loaded, err := chartOf(release, &action.ChartPathOptions{})
	if err != nil {
		return &plugin.CheckFailure{
			Property: "chart", Reason: hide(err, inputs).Error() + ". Check the chart's name, version and repositoryOpts",
		}
	}
	if len(release.Values) > 0 {
		inputs["values"] = keepSecret(toHelmProperty(release.Values), inputs["values"])
	}
	inputs[versionKey] = resource.NewProperty(loaded.Metadata.Version)
	return nil
}

// toHelmProperty is toProperty for values, whose names are left as they are.
func toHelmProperty(value any) resource.PropertyValue { return resource.NewPropertyValue(value) }

func (p *Provider) diffRelease(req plugin.DiffRequest) (plugin.DiffResult, error) {
	old, new := standin.PlainMap(req.OldInputs), standin.PlainMap(req.NewInputs)
	for _, name := range notInputs {
		delete(old, name)
	}
	changes, err := difference(old, new, []string{"name", "namespace"})
	if err != nil {
		return plugin.DiffResult{}, fmt.Errorf("cannot compare %s: %w", req.URN, err)
	}
	return result(changes), nil
}

func (p *Provider) createRelease(ctx context.Context, op *operation, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return plugin.CreateResponse{Properties: req.Properties}, nil
	}
	inputs, err := readRelease(req.Properties)
	if err != nil {
		return plugin.CreateResponse{}, hide(err, req.Properties)
	}
	config, err := p.releases.configure(inputs.Namespace, op)
	if err != nil {
		return plugin.CreateResponse{}, p.releaseFailed("installing", inputs, err, req.Properties)
	}
	released, err := p.releases.install(ctx, config, inputs)
	op.progress("")
	state, kept := p.releaseState(req.Properties, config, inputs, released, err)
	if err != nil && kept {
		cause := p.releaseFailed("installing", inputs, err, req.Properties)
		return plugin.CreateResponse{}, incomplete(inputs.id(), cause, p.releases.problems(ctx, released), state, req.Properties)
	}
	if err != nil {
		return plugin.CreateResponse{Status: resource.StatusOK}, p.releaseFailed("installing", inputs, err, req.Properties)
	}
	return plugin.CreateResponse{ID: resource.ID(inputs.id()), Properties: state}, nil
}

func (p *Provider) updateRelease(ctx context.Context, op *operation, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if req.Preview {
		return plugin.UpdateResponse{Properties: previewUpdate(req)}, nil
	}
	inputs, err := readRelease(req.NewInputs)
	if err != nil {
		return plugin.UpdateResponse{}, hide(err, req.NewInputs)
	}
	config, err := p.releases.configure(inputs.Namespace, op)
	if err != nil {
		return plugin.UpdateResponse{}, p.releaseFailed("upgrading", inputs, err, req.NewInputs)
	}
	released, err := p.releases.upgrade(ctx, config, inputs)
	op.progress("")
	state, kept := p.releaseState(req.NewInputs, config, inputs, released, err)
	if err != nil && kept {
		cause := p.releaseFailed("upgrading", inputs, err, req.NewInputs)
		return plugin.UpdateResponse{}, incomplete(inputs.id(), cause, p.releases.problems(ctx, released), state, req.NewInputs)
	}
	if err != nil {
		return plugin.UpdateResponse{Status: resource.StatusOK}, p.releaseFailed("upgrading", inputs, err, req.OldInputs, req.NewInputs)
	}
	return plugin.UpdateResponse{Properties: state}, nil
}

// releaseState is the state of a release as Helm left it, and whether Helm has kept one at all.
func (p *Provider) releaseState(
	properties resource.PropertyMap, config *action.Configuration, inputs releaseInputs, released *helmrelease.Release, failed error,
) (resource.PropertyMap, bool) {
	if failed != nil {
		found, err := action.NewGet(config).Run(inputs.Name)
		if released == nil || err != nil {
			return nil, false
		}
		released = found
	}
	return releaseCheckpoint(properties, released), true
}

func releaseCheckpoint(inputs resource.PropertyMap, released *helmrelease.Release) resource.PropertyMap {
	state := inputs.Copy()
	metadata := released.Chart.Metadata
	state[versionKey] = resource.NewProperty(metadata.Version)
	if names, err := resourceNames(released.Manifest); err == nil {
		state[namesKey] = names
	}
	state[statusKey] = resource.NewPropertyValue(map[string]any{
		"appVersion": metadata.AppVersion, "chart": metadata.Name, "name": released.Name, "namespace": released.Namespace,
		"revision": released.Version, "status": released.Info.Status.String(), "version": metadata.Version,
	})
	state[inputsKey] = resource.MakeSecret(resource.NewProperty(inputs.Copy()))
	return state
}

func (p *Provider) readRelease(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	inputs, err := readRelease(req.Inputs)
	if err != nil {
		return plugin.ReadResponse{}, hide(err, req.Inputs)
	}
	inputs.Namespace, inputs.Name = splitAddress(string(req.ID))
	config, err := p.releases.configure(inputs.Namespace, nil)
	if err != nil {
		return plugin.ReadResponse{}, p.releaseFailed("reading", inputs, err, req.Inputs)
	}
	released, err := action.NewGet(config).Run(inputs.Name)
	if errors.Is(err, driver.ErrReleaseNotFound) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return plugin.ReadResponse{}, p.releaseFailed("reading", inputs, err, req.Inputs)
	}
	now := driftedRelease(req, inputs, released)
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{
		ID: req.ID, Inputs: now, Outputs: releaseCheckpoint(now, released),
	}}, nil
}

// driftedRelease are the inputs as the cluster has them: values and the chart's version. A revision that someone else made
// with the same ones is not noticed, as officially.
func driftedRelease(req plugin.ReadRequest, inputs releaseInputs, released *helmrelease.Release) resource.PropertyMap {
	now := req.Inputs.Copy()
	if len(released.Config) > 0 && !reflect.DeepEqual(toHelmProperty(released.Config), toHelmProperty(inputs.Values)) {
		now["values"] = keepSecret(toHelmProperty(released.Config), req.Inputs["values"])
	}
	if given(now, versionKey) && now[versionKey].StringValue() != released.Chart.Metadata.Version {
		now[versionKey] = resource.NewProperty(released.Chart.Metadata.Version)
	}
	return now
}

func (p *Provider) deleteRelease(_ context.Context, op *operation, req plugin.DeleteRequest) error {
	inputs, err := readRelease(req.Inputs)
	if err != nil {
		return hide(err, req.Inputs)
	}
	inputs.Namespace, inputs.Name = splitAddress(string(req.ID))
	config, err := p.releases.configure(inputs.Namespace, op)
	if err != nil {
		return p.releaseFailed("uninstalling", inputs, err, req.Inputs)
	}
	uninstall := action.NewUninstall(config)
	uninstall.IgnoreNotFound = true
	uninstall.Wait = true
	uninstall.Timeout = inputs.timeout()
	done, err := uninstall.Run(inputs.Name)
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return p.releaseFailed("uninstalling", inputs, err, req.Inputs)
	}
	if done != nil && done.Info != "" {
		op.warn(done.Info)
	}
	return nil
}

// releaseFailed is the error of an operation on a release, without secrets.
func (p *Provider) releaseFailed(doing string, inputs releaseInputs, err error, properties ...resource.PropertyMap) error {
	about := fmt.Sprintf("%s Release %s (chart %s)", doing, inputs.id(), inputs.Chart)
	switch {
	case unreachable(err):
		return fmt.Errorf("%s: %w", about, p.cluster.explain(err))
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("not ready after its timeout of %v: %w", inputs.timeout(), err)
	case strings.Contains(err.Error(), "another operation (install/upgrade/rollback) is in progress"):
		err = fmt.Errorf("%w: an earlier one was interrupted. `helm rollback -n %s %s` ends it, or `helm uninstall` where there is no "+
			"revision to go back to", err, inputs.Namespace, inputs.Name)
	case strings.Contains(err.Error(), "cannot re-use a name that is still in use"):
		err = fmt.Errorf("%w, and the release is not this stack's: `helm uninstall -n %s %s`", err, inputs.Namespace, inputs.Name)
	case errors.Is(err, driver.ErrNoDeployedReleases), errors.Is(err, driver.ErrReleaseNotFound):
		err = fmt.Errorf("%w. It was uninstalled behind Pulumi's back: pulumi refresh notices, and pulumi up installs it anew", err)
	}
	return hide(fmt.Errorf("%s: %w", about, err), properties...)
}

// releases are Helm's actions on one cluster.
type releases struct{ cluster *cluster }

// configure makes what an action of Helm's needs; its words about waiting go to the progress display.
func (r *releases) configure(namespace string, op *operation) (*action.Configuration, error) {
	clients, err := r.cluster.clients()
	if err != nil {
		return nil, err
	}
	loader, err := r.cluster.settings.loader(namespace)
	if err != nil {
		return nil, err
	}
	log := func(format string, args ...any) {
		if message := fmt.Sprintf(format, args...); op != nil && strings.Contains(message, "not ready") {
			op.progress("Waiting: " + message)
		}
	}
	config := &action.Configuration{}
	if err := config.Init(&restGetter{clients, loader}, namespace, "", log); err != nil {
		return nil, err
	}
	return config, nil
}

func (r *releases) install(ctx context.Context, config *action.Configuration, inputs releaseInputs) (*helmrelease.Release, error) {
	install := action.NewInstall(config)
	loaded, err := chartOf(inputs, &install.ChartPathOptions)
	if err != nil {
		return nil, err
	}
	install.ReleaseName, install.Namespace = inputs.Name, inputs.Namespace
	install.Wait, install.Timeout = true, inputs.timeout()
	return install.RunWithContext(ctx, loaded, inputs.Values)
}

func (r *releases) upgrade(ctx context.Context, config *action.Configuration, inputs releaseInputs) (*helmrelease.Release, error) {
	upgrade := action.NewUpgrade(config)
	loaded, err := chartOf(inputs, &upgrade.ChartPathOptions)
	if err != nil {
		return nil, err
	}
	upgrade.Namespace = inputs.Namespace
	upgrade.Wait, upgrade.Timeout = true, inputs.timeout()
	return upgrade.RunWithContext(ctx, inputs.Name, loaded, inputs.Values)
}

// problems looks closer at the Pods of a release that failed: of what its manifest has that selects any.
func (r *releases) problems(ctx context.Context, released *helmrelease.Release) []string {
	clients, err := r.cluster.clients()
	if err != nil || released == nil {
		return nil
	}
	objects, err := objectsOf(released.Manifest)
	if err != nil {
		return nil
	}
	var problems []string
	for _, object := range objects {
		selector, found, err := unstructured.NestedStringMap(object.Object, "spec", "selector", "matchLabels")
		if err != nil || !found {
			continue
		}
		for _, problem := range clients.podProblems(ctx, orElse(object.GetNamespace(), released.Namespace), selector) {
			problems = append(problems, fmt.Sprintf("%s %s: %s", object.GetKind(), object.GetName(), problem))
		}
	}
	return problems
}

// restGetter gives Helm this provider's connection, with a release's namespace as the default one.
type restGetter struct {
	clients *clients
	loader  clientcmd.ClientConfig
}

// ToRESTConfig has no limit for a whole request: Helm watches its hooks.
func (g *restGetter) ToRESTConfig() (*rest.Config, error) {
	config := rest.CopyConfig(g.clients.config)
	config.Timeout = 0
	return config, nil
}

func (g *restGetter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	discoverer, err := discovery.NewDiscoveryClientForConfig(g.clients.config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(discoverer), nil
}

func (g *restGetter) ToRESTMapper() (meta.RESTMapper, error) { return g.clients.mapper, nil }

func (g *restGetter) ToRawKubeConfigLoader() clientcmd.ClientConfig { return g.loader }
