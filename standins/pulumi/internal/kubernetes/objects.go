package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validation/path"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// The annotations by which a program tells the provider what to do with one object begin so; of them, this is performed.
const (
	annotations         = "pulumi.com/"
	annotationSkipAwait = "pulumi.com/skipAwait"
)

// fieldManager begins the name under which the server remembers which fields are a resource's.
const fieldManager = "pulumi-kubernetes"

// retries are the pauses between attempts to create an object whose namespace is not there yet.
var retries = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}

func (p *Provider) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, 0)
	defer end()
	if req.Type == releaseToken {
		return p.checkRelease(ctx, req)
	}
	kind, err := kindOf(req.Type)
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	inputs := resource.PropertyMap{}
	for key, value := range req.News {
		if !value.IsNull() && !resource.IsInternalPropertyKey(key) {
			inputs[key] = value
		}
	}
	failures := checkKind(kind, inputs)
	if len(failures) > 0 {
		return plugin.CheckResponse{Properties: inputs, Failures: failures}, nil
	}
	if isSecret(kind) {
		hideSecretData(inputs)
	}
	object, unknown := manifest(inputs)
	failures = append(failures, checkMetadata(kind, object, unknown)...)
	_, unknownFields, err := decode(object)
	if err != nil {
		failures = append(failures, plugin.CheckFailure{Reason: hide(explainDecoding(err), inputs).Error()})
	}
	for _, field := range unknownFields {
		op.warn(fmt.Sprintf("%s of %s: the API server will ignore it", field, kind.Kind))
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

// checkMetadata sees that an object has its name and its namespace, and asks for nothing that is not performed.
func checkMetadata(kind schema.GroupVersionKind, object *unstructured.Unstructured, unknown bool) []plugin.CheckFailure {
	var failures []plugin.CheckFailure
	fail := func(format string, args ...any) {
		failures = append(failures, plugin.CheckFailure{Property: "metadata", Reason: fmt.Sprintf(format, args...)})
	}
	for name := range object.GetAnnotations() {
		if strings.HasPrefix(name, annotations) && name != annotationSkipAwait {
			fail("annotation %s: the lab's stand-in does not perform it; the official plugin does", name)
		}
	}
	if problems := path.IsValidPathSegmentName(object.GetName()); len(problems) > 0 {
		fail("metadata.name %q %s", object.GetName(), strings.Join(problems, ", "))
	}
	if unknown {
		return failures
	}
	if object.GetName() == "" {
		fail("metadata.name is missing: the lab's stand-in makes no names")
	}
	if namespaced(kind) != (object.GetNamespace() != "") {
		fail("metadata.namespace is %q: a Namespace has none, and everything else is given one here", object.GetNamespace())
	}
	return failures
}

// explainDecoding says in Kubernetes' words what Go's decoder says in its own.
func explainDecoding(err error) error {
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) {
		return fmt.Errorf("%s: expected %s, got %s", mismatch.Field, mismatch.Type, mismatch.Value)
	}
	return fmt.Errorf("the manifest does not fit its kind: %w", err)
}

func (p *Provider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResult, error) {
	if req.Type == releaseToken {
		return p.diffRelease(req)
	}
	kind, err := kindOf(req.Type)
	if err != nil {
		return plugin.DiffResult{}, err
	}
	old, new := normalized(req.OldInputs), normalized(req.NewInputs)
	fields := append([]string{"metadata.name", "metadata.namespace"}, replacing[kind.Kind]...)
	changes, err := difference(old, new, fields)
	if err != nil {
		return plugin.DiffResult{}, fmt.Errorf("cannot compare %s: %w", req.URN, err)
	}
	diff := result(changes)
	// Two objects cannot have the same name at a time.
	live, _ := manifest(req.OldOutputs)
	wanted, _ := manifest(new)
	diff.DeleteBeforeReplace = diff.Replace() && wanted.GetName() == live.GetName() && wanted.GetNamespace() == live.GetNamespace()
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

func (p *Provider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	if req.Type == releaseToken {
		return p.createRelease(ctx, op, req)
	}
	object, unknown := manifest(req.Properties)
	manager := fieldManagerOf(nil)
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
	if unknown || !p.cluster.reachable() {
		return previewed{}
	}
	client, err := p.clientFor(object)
	if err != nil {
		return previewed{err: err}
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

// createWithRetries creates an object once its namespace is there: programs bring them along.
func (p *Provider) createWithRetries(
	ctx context.Context, op *operation, object *unstructured.Unstructured, manager string,
) (*unstructured.Unstructured, error) {
	for attempt := 0; ; attempt++ {
		live, err := p.create(ctx, object, manager)
		if err == nil || attempt == len(retries) || !apierrors.IsNotFound(err) {
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
	switch _, err := client.Get(ctx, object.GetName(), metav1.GetOptions{}); {
	case err == nil:
		return nil, errors.New("it already exists in the cluster, and is not this stack's: delete it")
	case !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err):
		return nil, err
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
	force := p.cluster.settings.EnablePatchForce
	options := metav1.PatchOptions{FieldManager: manager, Force: &force, FieldValidation: metav1.FieldValidationIgnore}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return client.Patch(ctx, object.GetName(), types.ApplyPatchType, text, options)
}

// fieldManagerOf a state, or a new one.
func fieldManagerOf(state resource.PropertyMap) string {
	if kept, ok := state[fieldManagerKey]; ok && kept.IsString() {
		return kept.StringValue()
	}
	generated, err := resource.NewUniqueHex(fieldManager+"-", 0, 0)
	if err != nil {
		return fieldManager
	}
	return generated
}

func (p *Provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	ctx, end, _ := p.call(ctx, req.URN, req.Timeout)
	defer end()
	if len(req.Inputs) == 0 {
		return plugin.ReadResponse{}, refuse(fmt.Sprintf("importing or looking up a %s by its id (%s)", req.Type, req.ID))
	}
	if req.Type == releaseToken {
		return p.readRelease(ctx, req)
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
	var live *unstructured.Unstructured
	if err == nil {
		live, err = client.Get(ctx, name, metav1.GetOptions{})
	}
	if apierrors.IsNotFound(err) {
		return plugin.ReadResponse{}, nil
	}
	if err != nil {
		return plugin.ReadResponse{}, p.failed("reading", object, err, req.Inputs)
	}
	before, _ := manifest(req.State)
	inputs := drifted(req.Inputs, before, live)
	keepSecrets(inputs, req.Inputs)
	wanted, _ := manifest(inputs)
	state := checkpoint(live, inputs, fieldManagerOf(req.State))
	if waited := p.look(ctx, wanted, live); waited != nil {
		return plugin.ReadResponse{}, incomplete(string(req.ID), waited.error(live), waited.problems, state, inputs)
	}
	return plugin.ReadResponse{ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state}}, nil
}

func (p *Provider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	if req.Type == releaseToken {
		return p.updateRelease(ctx, op, req)
	}
	object, unknown := manifest(req.NewInputs)
	manager := fieldManagerOf(req.OldOutputs)
	if req.Preview && (unknown || !p.cluster.reachable()) {
		return plugin.UpdateResponse{Properties: previewUpdate(req)}, nil
	}
	live, err := p.update(ctx, req, object, manager)
	if req.Preview && err != nil && (apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || noDryRun(err)) {
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
	return p.apply(ctx, client, object, manager, req.Preview)
}

func (p *Provider) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	ctx, end, op := p.call(ctx, req.URN, req.Timeout)
	defer end()
	if req.Type == releaseToken {
		return plugin.DeleteResponse{}, p.deleteRelease(ctx, op, req)
	}
	return plugin.DeleteResponse{}, p.deleteObject(ctx, op, req)
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
	if err != nil {
		return p.failed("deleting", object, err, req.Inputs)
	}
	propagation := metav1.DeletePropagationForeground
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
	if skipsAwait(object) {
		return nil
	}
	if err := p.awaitGone(ctx, op, client, object); err != nil {
		return p.failed("deleting", object, err, req.Inputs)
	}
	return nil
}

// failed is the error of an operation on an object: what was done to what, and why it did not work, without secrets.
func (p *Provider) failed(doing string, object *unstructured.Unstructured, err error, inputs ...resource.PropertyMap) error {
	about := fmt.Sprintf("%s %s %s", doing, object.GetKind(), address(object))
	if p.stopped.Err() != nil {
		about += " was cancelled"
	}
	explained := p.cluster.explain(err)
	if unreachable(err) {
		return fmt.Errorf("%s: %w", about, explained)
	}
	return hide(fmt.Errorf("%s: %w", about, explained), inputs...)
}
