package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	jsonpatch "github.com/evanphx/json-patch"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// Annotations by which a program tells the provider what to do with one object.
const (
	annotationAutonamed      = "pulumi.com/autonamed"
	annotationPatchForce     = "pulumi.com/patchForce"
	annotationFieldManager   = "pulumi.com/patchFieldManager"
	annotationSkipAwait      = "pulumi.com/skipAwait"
	annotationWaitFor        = "pulumi.com/waitFor"
	annotationTimeout        = "pulumi.com/timeoutSeconds"
	annotationReplaceUnready = "pulumi.com/replaceUnready"
	annotationPropagation    = "pulumi.com/deletionPropagationPolicy"
)

const (
	// clientSideManager manages fields where server-side apply is switched off.
	clientSideManager = "pulumi-kubernetes"
	managedByLabel    = "app.kubernetes.io/managed-by"
)

// retries are the pauses between attempts to create an object whose namespace or kind is not there yet.
var retries = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}

var helmTestHook = regexp.MustCompile(`^test(-success|-failure)?$`)

func (p *Provider) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, 0)
	defer end()
	if req.Type == releaseToken {
		return p.checkRelease(ctx, op, req)
	}
	kind, err := kindOf(req.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	if what := notPerformed(kind); what != "" {
		return plugin.CheckResponse{}, refuse(fmt.Sprintf("%s %s", what, req.Type))
	}
	inputs := resource.PropertyMap{}
	for key, value := range req.News {
		if !value.IsNull() && !resource.IsInternalPropertyKey(key) {
			inputs[key] = value
		}
	}
	failures := checkKind(kind, inputs)
	if failure, err := name(inputs, req); err != nil {
		return plugin.CheckResponse{}, err
	} else if failure != nil {
		failures = append(failures, *failure)
	}
	p.place(kind, inputs)
	if isSecret(kind) {
		hideSecretData(inputs)
	}
	object, unknown := manifest(inputs)
	_, unknownFields, err := decode(object)
	if err != nil {
		failures = append(failures, plugin.CheckFailure{Reason: hide(explainDecoding(err), inputs).Error()})
	}
	for _, field := range unknownFields {
		op.warn(fmt.Sprintf("%s of %s: the API server will ignore it", field, kind.Kind))
	}
	if kind.Kind == "CustomResourceDefinition" && !unknown {
		p.announceCustomKind(object)
	}
	for _, hook := range []string{"helm.sh/hook", "helm.sh/hook-weight", "helm.sh/hook-delete-policy"} {
		if value := annotation(object, hook); value != "" && !helmTestHook.MatchString(value) && !p.cluster.settings.SuppressHelmHooks {
			op.warn(fmt.Sprintf("annotation %s: Helm's hooks are not run for objects outside a Release; the object is created as any "+
				"other (provider setting suppressHelmHookWarnings silences this)", hook))
			break
		}
	}
	return plugin.CheckResponse{Properties: inputs, Failures: failures}, nil
}

// checkKind sees that the manifest is of the resource's type. The program's SDK fills both fields in.
func checkKind(kind schema.GroupVersionKind, inputs resource.PropertyMap) []plugin.CheckFailure {
	var failures []plugin.CheckFailure
	for _, field := range []struct {
		key      resource.PropertyKey
		expected string
	}{{"apiVersion", kind.GroupVersion().String()}, {"kind", kind.Kind}} {
		value, ok := inputs[field.key]
		switch {
		case !ok:
			inputs[field.key] = resource.NewProperty(field.expected)
		case value.ContainsUnknowns():
			failures = append(failures, plugin.CheckFailure{Property: field.key, Reason: "must be known in a preview"})
		case !value.IsString() || value.StringValue() != field.expected:
			failures = append(failures, plugin.CheckFailure{
				Property: field.key,
				Reason:   fmt.Sprintf("expected %q, which is the resource's type, got %v", field.expected, value.Mappable()),
			})
		}
	}
	metadata := inputs["metadata"]
	if metadata.HasValue() && !metadata.ContainsUnknowns() && !metadata.IsSecret() && !metadata.IsObject() {
		failures = append(failures, plugin.CheckFailure{
			Property: "metadata", Reason: "expected an object, got " + metadata.TypeString(),
		})
	}
	return failures
}

// name gives an object a name when its program does not: the one it has, or a new one.
func name(inputs resource.PropertyMap, req plugin.CheckRequest) (*plugin.CheckFailure, error) {
	object, _ := manifest(inputs)
	if object.GetName() != "" {
		if problems := path.IsValidPathSegmentName(object.GetName()); len(problems) > 0 {
			return &plugin.CheckFailure{
				Property: "metadata", Reason: fmt.Sprintf("metadata.name %q %s", object.GetName(), strings.Join(problems, ", ")),
			}, nil
		}
	}
	chosen := ""
	old, _ := manifest(req.Olds)
	options := req.Autonaming
	var err error
	switch {
	case old.GetName() != "" && isTrue(old, annotationAutonamed):
		chosen = old.GetName()
	case options != nil && options.Mode == plugin.AutonamingModeDisabled:
	case options != nil:
		chosen = options.ProposedName
	default:
		chosen, err = resource.NewUniqueName(req.RandomSeed, req.URN.Name()+"-", 0, 0, nil)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot make a name for %s: %w", req.URN, err)
	}
	missing := false
	edit(inputs, func(metadata resource.PropertyMap) {
		if given(metadata, "name") || given(metadata, "generateName") {
			return
		}
		if chosen == "" {
			missing = true
			return
		}
		metadata["name"] = resource.NewProperty(chosen)
		label(metadata, "annotations", annotationAutonamed, "true")
	})
	if missing {
		return nil, fmt.Errorf("%s: autonaming is switched off for this stack, so metadata.name is required", req.URN)
	}
	return nil, nil
}

// place gives a namespaced object the provider's namespace when it has none, and takes it from others.
func (p *Provider) place(kind schema.GroupVersionKind, inputs resource.PropertyMap) {
	namespaced, known := p.cluster.scope(kind)
	edit(inputs, func(metadata resource.PropertyMap) {
		switch {
		case known && !namespaced:
			delete(metadata, "namespace")
		case !given(metadata, "namespace"):
			metadata["namespace"] = resource.NewProperty(p.cluster.namespace())
		}
		if !p.cluster.settings.serverSideApply() {
			label(metadata, "labels", managedByLabel, "pulumi")
		}
	})
}

func (p *Provider) announceCustomKind(definition *unstructured.Unstructured) {
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "kind")
	scope, _, _ := unstructured.NestedString(definition.Object, "spec", "scope")
	if kind != "" {
		p.cluster.announce(schema.GroupKind{Group: group, Kind: kind}, scope != "Cluster")
	}
}

// explainDecoding says in Kubernetes' words what Go's decoder says in its own.
func explainDecoding(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%s: expected %s, got %s", mismatch.Field, mismatch.Type, mismatch.Value)
	}
	return fmt.Errorf("the manifest does not fit its kind: %w", err)
}

func (p *Provider) Diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	ctx, end, op := p.call(ctx, req.URN, 0)
	defer end()
	if req.Type == releaseToken {
		return p.diffRelease(req)
	}
	kind, err := kindOf(req.Type)
	if err != nil {
		return plugin.DiffResult{}, err
	}
	old, new := normalized(req.OldInputs), normalized(req.NewInputs)
	live, _ := manifest(req.OldOutputs)
	p.alignMetadata(kind, old, new, live)
	changes, err := difference(old, new, p.cluster.settings.replacingFields(kind, new))
	if err != nil {
		return plugin.DiffResult{}, fmt.Errorf("cannot compare %s: %w", req.URN, err)
	}
	wanted, _ := manifest(new)
	if isTrue(wanted, annotationReplaceUnready) && p.cluster.reachable() && p.unready(ctx, op, live) {
		changes[`metadata.annotations["`+annotationReplaceUnready+`"]`] = plugin.PropertyDiff{Kind: plugin.DiffUpdateReplace}
	}
	diff := result(changes)
	// Two objects cannot have the same name at a time.
	diff.DeleteBeforeReplace = diff.Replace() && wanted.GetName() != "" && !isTrue(wanted, annotationAutonamed) &&
		wanted.GetName() == live.GetName() && (wanted.GetNamespace() == live.GetNamespace() || live.GetNamespace() == "")
	return diff, nil
}

// result derives the rest of a difference from its details.
func result(changes map[string]plugin.PropertyDiff) plugin.DiffResult {
	diff := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: changes}
	for at, change := range changes {
		diff.Changes = plugin.DiffSome
		diff.ChangedKeys = append(diff.ChangedKeys, resource.PropertyKey(at))
		if change.Kind.IsReplace() {
			diff.ReplaceKeys = append(diff.ReplaceKeys, resource.PropertyKey(at))
		}
	}
	slices.Sort(diff.ChangedKeys)
	slices.Sort(diff.ReplaceKeys)
	return diff
}

// alignMetadata takes away differences that make none: a namespace of a kind without namespaces, and the name that the server
// made for an object with generateName.
func (p *Provider) alignMetadata(kind schema.GroupVersionKind, old, new resource.PropertyMap, live *unstructured.Unstructured) {
	namespaced, known := p.cluster.scope(kind)
	for _, inputs := range []resource.PropertyMap{old, new} {
		edit(inputs, func(metadata resource.PropertyMap) {
			switch {
			case known && !namespaced:
				delete(metadata, "namespace")
			case known && !given(metadata, "namespace"):
				metadata["namespace"] = resource.NewProperty(fallbackNS)
			case !known && live.GetNamespace() == "":
				delete(metadata, "namespace")
			}
		})
	}
	edit(old, func(before resource.PropertyMap) {
		edit(new, func(after resource.PropertyMap) {
			if given(after, "name") && !given(before, "name") {
				before["name"] = resource.NewProperty(live.GetName())
			}
		})
	})
}

// unready says whether a Job has not completed, for replaceUnready.
func (p *Provider) unready(ctx context.Context, op *operation, live *unstructured.Unstructured) bool {
	if live.GetKind() != "Job" {
		op.warn("annotation " + annotationReplaceUnready + " is for Jobs only")
		return false
	}
	clients, err := p.cluster.clients()
	if err != nil {
		return false
	}
	found, err := awaitJob(ctx, clients, live)
	return err == nil && !found.ready
}

func (p *Provider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	if req.Type == releaseToken {
		return p.createRelease(ctx, op, req)
	}
	object, unknown := manifest(req.Properties)
	manager := p.fieldManager(object, nil)
	if req.Preview {
		outputs := p.previewCreate(ctx, object, unknown, manager)
		if err := outputs.err; err != nil {
			return plugin.CreateResponse{}, p.failed("creating", object, err, req.Properties)
		}
		if outputs.live == nil {
			return plugin.CreateResponse{Properties: req.Properties}, nil
		}
		// What a dry run makes up is not what will be.
		delete(outputs.live.Object, "status")
		for _, name := range serverFields {
			unstructured.RemoveNestedField(outputs.live.Object, "metadata", name)
		}
		return plugin.CreateResponse{Properties: checkpoint(outputs.live, req.Properties, manager)}, nil
	}
	live, err := p.createWithRetries(ctx, op, object, manager)
	if err != nil {
		return plugin.CreateResponse{Status: resource.StatusOK}, p.failed("creating", object, err, req.Properties)
	}
	if live.GetKind() == "CustomResourceDefinition" {
		p.forgetKinds()
	}
	live, waited := p.await(ctx, op, object, live)
	state := checkpoint(live, req.Properties, manager)
	if waited != nil {
		return plugin.CreateResponse{}, incomplete(address(live), waited.error(live), waited.problems, state, req.Properties)
	}
	return plugin.CreateResponse{ID: resource.ID(address(live)), Properties: state}, nil
}

// previewed is what a dry run made: nothing where it cannot be tried.
type previewed struct {
	live *unstructured.Unstructured
	err  error
}

func (p *Provider) previewCreate(
	ctx context.Context, object *unstructured.Unstructured, unknown bool, manager string,
) previewed {
	if unknown || object.GetName() == "" || !p.cluster.settings.serverSideApply() || !p.cluster.reachable() {
		return previewed{}
	}
	client, err := p.clientFor(object)
	if err != nil {
		// The kind may come with this same program.
		return previewed{}
	}
	if _, err := client.Get(ctx, object.GetName(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		// An object that is there may be about to be deleted for this one.
		return previewed{}
	}
	live, err := p.apply(ctx, client, object, manager, true)
	if err != nil && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || unreachable(err) || noDryRun(err)) {
		return previewed{}
	}
	return previewed{live, err}
}

// noDryRun says whether something on the way, such as a webhook, cannot try things out.
func noDryRun(err error) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "dry run") || apierrors.IsInternalError(err)
}

func (p *Provider) clientFor(object *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	clients, err := p.cluster.clients()
	if err != nil {
		return nil, err
	}
	return clients.on(object.GroupVersionKind(), object.GetNamespace())
}

func (p *Provider) forgetKinds() {
	if clients, err := p.cluster.clients(); err == nil {
		clients.mapper.Reset()
	}
}

// createWithRetries creates an object once what it depends on is there: programs bring namespaces and custom kinds along.
func (p *Provider) createWithRetries(
	ctx context.Context, op *operation, object *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	for attempt := 0; ; attempt++ {
		live, err := p.create(ctx, object, manager)
		if err == nil || attempt == len(retries) || !meta.IsNoMatchError(err) && !apierrors.IsNotFound(err) {
			return live, err
		}
		op.progress(fmt.Sprintf("Retry #%d; creation failed: %v", attempt+1, err))
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		case <-time.After(retries[attempt]):
		}
	}
}

func (p *Provider) create(
	ctx context.Context, object *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	client, err := p.clientFor(object)
	if err != nil {
		return nil, err
	}
	if object.GetName() == "" || !p.cluster.settings.serverSideApply() {
		return client.Create(ctx, object, metav1.CreateOptions{FieldManager: manager})
	}
	if !p.cluster.settings.UpsertExistingObjects {
		switch _, err := client.Get(ctx, object.GetName(), metav1.GetOptions{}); {
		case err == nil:
			return nil, errors.New("it already exists in the cluster. Import it (pulumi import), delete it, or set " +
				"upsertExistingObjects of the provider to take it over")
		case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
			return nil, err
		}
	}
	return p.apply(ctx, client, object, manager, false)
}

// apply sends an object by server-side apply.
func (p *Provider) apply(
	ctx context.Context, client dynamic.ResourceInterface, object *unstructured.Unstructured, manager string, dryRun bool,
) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(object.Object)
	if err != nil {
		return nil, err
	}
	force := isTrue(object, annotationPatchForce) ||
		annotation(object, annotationPatchForce) == "" && p.cluster.settings.EnablePatchForce
	options := metav1.PatchOptions{FieldManager: manager, Force: &force, FieldValidation: metav1.FieldValidationIgnore}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return client.Patch(ctx, object.GetName(), types.ApplyPatchType, text, options)
}

// fieldManager is the name under which the server remembers which fields are this resource's.
func (p *Provider) fieldManager(object *unstructured.Unstructured, state resource.PropertyMap) string {
	if !p.cluster.settings.serverSideApply() {
		return clientSideManager
	}
	if given := annotation(object, annotationFieldManager); given != "" {
		return given
	}
	if kept, ok := state[fieldManagerKey]; ok && kept.IsString() {
		return kept.StringValue()
	}
	generated, err := resource.NewUniqueHex(clientSideManager+"-", 0, 0)
	if err != nil {
		return clientSideManager
	}
	return generated
}

func (p *Provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	unchanged := plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}}
	if req.Type == releaseToken {
		found, err := p.readRelease(ctx, req)
		return p.away(op, unchanged, found, err)
	}
	kind, err := kindOf(req.Type)
	if err != nil {
		return plugin.ReadResponse{}, err
	}
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(kind)
	namespace, name := splitAddress(string(req.ID))
	object.SetName(name)
	object.SetNamespace(namespace)
	client, err := p.clientFor(object)
	if meta.IsNoMatchError(err) {
		// Objects go with the definition of their kind.
		return plugin.ReadResponse{}, nil
	}
	var live *unstructured.Unstructured
	if err == nil {
		live, err = client.Get(ctx, name, metav1.GetOptions{})
	}
	if apierrors.IsNotFound(err) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return p.away(op, unchanged, plugin.ReadResponse{}, p.failed("reading", object, err, req.Inputs))
	}
	inputs := adopted(live)
	if len(req.Inputs) > 0 {
		before, _ := manifest(req.State)
		inputs = drifted(req.Inputs, before, live)
		keepSecrets(inputs, req.Inputs)
	}
	wanted, _ := manifest(inputs)
	state := checkpoint(live, inputs, p.fieldManager(wanted, req.State))
	result := plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state}}
	if len(req.Inputs) == 0 {
		return result, nil
	}
	if waited := p.look(ctx, wanted, live); waited != nil {
		return plugin.ReadResponse{}, incomplete(string(req.ID), waited.error(live), waited.problems, state, inputs)
	}
	return result, nil
}

// away is what reading comes to when the cluster does not answer: the provider's settings may say that it is gone, or that
// the state is good enough.
func (p *Provider) away(
	op *operation, unchanged, found plugin.ReadResponse, err error,
) (plugin.ReadResponse, error) {
	switch {
	case err == nil || !unreachable(err):
		return found, err
	case p.cluster.settings.DeleteUnreachable:
		op.warn(fmt.Sprintf("%v. deleteUnreachable is set: the resource is taken off the state", err))
		return plugin.ReadResponse{}, nil
	case p.cluster.settings.SkipUpdateUnreachable:
		op.warn(fmt.Sprintf("%v. skipUpdateUnreachable is set: the state is kept as it is", err))
		return unchanged, nil
	}
	return found, fmt.Errorf("%w. If the cluster is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true takes its resources off the state", err)
}

func (p *Provider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	if req.Type == releaseToken {
		return p.updateRelease(ctx, op, req)
	}
	object, unknown := manifest(req.NewInputs)
	before, _ := manifest(req.OldOutputs)
	if object.GetName() == "" {
		object.SetName(before.GetName())
	}
	manager := p.fieldManager(object, req.OldOutputs)
	if req.Preview && (unknown || !p.cluster.settings.serverSideApply() || !p.cluster.reachable()) {
		return plugin.UpdateResponse{Properties: previewUpdate(req)}, nil
	}
	live, err := p.update(ctx, req, object, manager)
	if req.Preview && err != nil && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || meta.IsNoMatchError(err) || noDryRun(err)) {
		return plugin.UpdateResponse{Properties: previewUpdate(req)}, nil
	}
	if err != nil {
		return plugin.UpdateResponse{Status: resource.StatusOK}, p.failed("updating", object, err, req.OldInputs, req.NewInputs)
	}
	if req.Preview {
		return plugin.UpdateResponse{Properties: checkpoint(live, req.NewInputs, manager)}, nil
	}
	live, waited := p.await(ctx, op, object, live)
	state := checkpoint(live, req.NewInputs, manager)
	if waited != nil {
		return plugin.UpdateResponse{}, incomplete(string(req.ID), waited.error(live), waited.problems, state, req.NewInputs)
	}
	return plugin.UpdateResponse{Properties: state}, nil
}

// previewUpdate is the state in a preview that cannot be tried out: the old one, with the new inputs over it.
func previewUpdate(req plugin.UpdateRequest) resource.PropertyMap {
	outputs := req.OldOutputs.Copy()
	for key, value := range req.NewInputs {
		outputs[key] = value
	}
	return outputs
}

func (p *Provider) update(
	ctx context.Context, req plugin.UpdateRequest, object *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	client, err := p.clientFor(object)
	if err != nil {
		return nil, err
	}
	if _, err := client.Get(ctx, object.GetName(), metav1.GetOptions{}); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("%w. It was deleted behind Pulumi's back: pulumi refresh notices, and pulumi up makes it anew", err)
		}
		return nil, err
	}
	if p.cluster.settings.serverSideApply() {
		return p.apply(ctx, client, object, manager, req.Preview)
	}
	old, _ := manifest(req.OldInputs)
	oldText, err := json.Marshal(old.Object)
	if err != nil {
		return nil, err
	}
	newText, err := json.Marshal(object.Object)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.CreateMergePatch(oldText, newText)
	if err != nil {
		return nil, fmt.Errorf("cannot compare the inputs: %w", err)
	}
	return client.Patch(ctx, object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: manager})
}

func (p *Provider) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	var err error
	if req.Type == releaseToken {
		err = p.deleteRelease(ctx, op, req)
	} else {
		err = p.deleteObject(ctx, op, req)
	}
	switch {
	case err == nil || !unreachable(err):
		return plugin.DeleteResponse{}, err
	case p.cluster.settings.DeleteUnreachable:
		op.warn(fmt.Sprintf("%v. deleteUnreachable is set: the resource is taken off the state", err))
		return plugin.DeleteResponse{}, nil
	}
	return plugin.DeleteResponse{}, fmt.Errorf(
		"%w. If the cluster is gone for good, PULUMI_K8S_DELETE_UNREACHABLE=true takes its resources off the state", err)
}

func (p *Provider) deleteObject(ctx context.Context, op *operation, req plugin.DeleteRequest) error {
	object, _ := manifest(req.Outputs)
	if object.GetKind() == "" {
		object, _ = manifest(req.Inputs)
	}
	namespace, name := splitAddress(string(req.ID))
	object.SetName(name)
	object.SetNamespace(namespace)
	client, err := p.clientFor(object)
	if meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return p.failed("deleting", object, err, req.Inputs)
	}
	propagation := metav1.DeletePropagationForeground
	if given := annotation(object, annotationPropagation); given != "" {
		propagation = metav1.DeletionPropagation(strings.ToUpper(given[:1]) + given[1:])
	}
	options := metav1.DeleteOptions{PropagationPolicy: &propagation}
	if uid := object.GetUID(); uid != "" {
		// Another object of the same name that has come since is not this resource's.
		options.Preconditions = &metav1.Preconditions{UID: &uid}
	}
	err = client.Delete(ctx, name, options)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) && options.Preconditions != nil {
		return nil
	}
	if err != nil {
		return p.failed("deleting", object, err, req.Inputs)
	}
	if isTrue(object, annotationSkipAwait) {
		return nil
	}
	if err := p.awaitGone(ctx, op, client, object); err != nil {
		return p.failed("deleting", object, err, req.Inputs)
	}
	if object.GetKind() == "CustomResourceDefinition" {
		p.forgetKinds()
	}
	return nil
}

// failed is the error of an operation on an object: what was done to what, and why it did not work, without secrets.
func (p *Provider) failed(doing string, object *unstructured.Unstructured, err error, inputs ...resource.PropertyMap) error {
	about := fmt.Sprintf("%s %s %s", doing, object.GetKind(), address(object))
	if p.stopped.Err() != nil {
		about += " was cancelled"
	}
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%s: the cluster at %s has no kind %s in %s. Check apiVersion and kind, and that the definition of a custom "+
			"kind is created first (dependsOn)", about, p.cluster.server(), object.GetKind(), object.GetAPIVersion())
	}
	explained := p.cluster.explain(err)
	if unreachable(err) {
		return fmt.Errorf("%s: %w", about, explained)
	}
	return hide(fmt.Errorf("%s: %w", about, explained), inputs...)
}
