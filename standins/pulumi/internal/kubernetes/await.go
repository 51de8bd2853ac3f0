package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
)

const (
	// glance is the pause between two looks at an object that is being waited for.
	glance = 500 * time.Millisecond
	// reportEvery is after how long what keeps a deletion is told.
	reportEvery = 10 * time.Second

	waitLimit = 5 * time.Minute
	goneLimit = 10 * time.Minute
)

// finding is what one look at an object says.
type finding struct {
	ready bool
	// status says what is being waited for.
	status string
	// reasons are the object's own words for why it is not ready.
	reasons []string
}

// awaiter looks at a live object.
type awaiter func(ctx context.Context, clients *clients, live *unstructured.Unstructured) (finding, error)

// awaiters by kind; an object of any other is what it should be once it is there.
var awaiters = map[string]awaiter{"PersistentVolumeClaim": awaitClaim, "Secret": awaitSecret}

// unfinished is an object that is there, but did not become what it should.
type unfinished struct {
	why      string
	problems []string
}

func (u *unfinished) error(live *unstructured.Unstructured) error {
	return fmt.Errorf("%s %s is there, but %s", live.GetKind(), address(live), u.why)
}

// awaiterOf an object; nil where nothing is waited for.
func awaiterOf(wanted *unstructured.Unstructured) awaiter {
	if skipsAwait(wanted) {
		return nil
	}
	return awaiters[wanted.GetKind()]
}

// await waits until an object has become what it should. It returns the object as last seen.
func (p *Provider) await(
	ctx context.Context, op *operation, wanted, live *unstructured.Unstructured,
) (*unstructured.Unstructured, *unfinished) {
	look := awaiterOf(wanted)
	if look == nil {
		return live, nil
	}
	limit := orElse(op.limit, waitLimit)
	clients, err := p.cluster.clients()
	if err != nil {
		return live, &unfinished{why: err.Error()}
	}
	client, err := clients.on(live.GroupVersionKind(), live.GetNamespace())
	if err != nil {
		return live, &unfinished{why: p.cluster.explain(err).Error()}
	}
	defer op.progress("")
	deadline := time.Now().Add(limit)
	var found finding
	for {
		if now, err := client.Get(ctx, live.GetName(), metav1.GetOptions{}); err == nil {
			live = now
		} else if apierrors.IsNotFound(err) {
			return live, &unfinished{why: "was deleted while it was waited for"}
		}
		// A server that does not answer for a while is waited for, too.
		if seen, err := look(ctx, clients, live); err == nil {
			found = seen
		} else if ctx.Err() == nil {
			found = finding{status: fmt.Sprintf("Waiting for the cluster: %v", err), reasons: []string{p.cluster.explain(err).Error()}}
		}
		if found.ready {
			return live, nil
		}
		op.progress(found.status)
		if time.Now().After(deadline) {
			return live, &unfinished{why: fmt.Sprintf("not ready after %v", limit), problems: found.problems()}
		}
		select {
		case <-ctx.Done():
			return live, &unfinished{why: "waiting for it was cancelled", problems: found.reasons}
		case <-time.After(glance):
		}
	}
}

func (f finding) problems() []string {
	if len(f.reasons) == 0 && f.status != "" {
		return []string{f.status}
	}
	return f.reasons
}

// look sees once whether an object is what it should be: for refreshing.
func (p *Provider) look(ctx context.Context, wanted, live *unstructured.Unstructured) *unfinished {
	look := awaiterOf(wanted)
	if look == nil {
		return nil
	}
	clients, err := p.cluster.clients()
	if err != nil {
		return nil
	}
	found, err := look(ctx, clients, live)
	if err != nil || found.ready {
		return nil
	}
	return &unfinished{why: "is not ready", problems: found.problems()}
}

// awaitGone waits until an object is no more.
func (p *Provider) awaitGone(
	ctx context.Context, op *operation, client dynamic.ResourceInterface, object *unstructured.Unstructured,
) error {
	limit := orElse(op.limit, goneLimit)
	defer op.progress("")
	deadline, warned := time.Now().Add(limit), false
	started := time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, glance) {
		live, err := client.Get(ctx, object.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && object.GetUID() != "" && live.GetUID() != object.GetUID() {
			return nil
		}
		holders := ""
		if err == nil {
			op.progress(fmt.Sprintf("Waiting for %s %s to be gone", object.GetKind(), address(object)))
			holders = holding(live)
			if holders != "" && !warned && time.Since(started) > reportEvery {
				warned = true
				op.warn("deletion waits for " + holders)
			}
		}
		if time.Now().After(deadline) {
			return errors.Join(fmt.Errorf("it is still there after %v%s", limit, orElse(prefixed("; deletion waits for ", holders), "")), err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

// holding says what keeps an object that is being deleted.
func holding(live *unstructured.Unstructured) string {
	var reasons []string
	for _, finalizer := range live.GetFinalizers() {
		if finalizer != metav1.FinalizerDeleteDependents {
			reasons = append(reasons, "finalizer "+finalizer)
		}
	}
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, entry := range conditions {
		condition, _ := entry.(map[string]any)
		kind, _ := condition["type"].(string)
		// A Namespace tells so what is left in it.
		if condition["status"] == "True" && (strings.HasPrefix(kind, "Namespace") && strings.Contains(kind, "Remain") ||
			strings.HasSuffix(kind, "Failure")) {
			reasons = append(reasons, fmt.Sprint(condition["message"]))
		}
	}
	return strings.Join(reasons, "; ")
}

// typedAs reads a live object into its type.
func typedAs[T any](live *unstructured.Unstructured) (*T, error) {
	var typed T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, &typed); err != nil {
		return nil, fmt.Errorf("the API server's answer for %s %s is not understood: %w", live.GetKind(), address(live), err)
	}
	return &typed, nil
}
