package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/jsonpath"
)

const (
	// glance is the pause between two looks at an object that is being waited for.
	glance = 500 * time.Millisecond
	// reportEvery is how often the progress display tells what is wrong with Pods.
	reportEvery = 10 * time.Second
	// settling is how long endpoints must stay as they are before a Service counts as ready, as the official provider has it.
	settling = 10 * time.Second

	waitLimit   = 10 * time.Minute
	volumeLimit = 5 * time.Minute
	goneLimit   = 10 * time.Minute
)

// finding is what one look at an object says.
type finding struct {
	ready bool
	// status says what is being waited for.
	status string
	// reasons are the object's own words for why it is not ready.
	reasons []string
	// failed is why the object never will be ready.
	failed string
	// settles is something that must stay the same for a while before ready counts.
	settles string
	// diagnose looks closer, at Pods and their logs; nil when there is nothing closer.
	diagnose func(ctx context.Context) []string
}

// awaiter looks at a live object.
type awaiter func(ctx context.Context, clients *clients, live *unstructured.Unstructured) (finding, error)

var awaiters = map[schema.GroupKind]struct {
	look  awaiter
	limit time.Duration
}{
	{Group: "apps", Kind: "Deployment"}:                               {awaitDeployment, waitLimit},
	{Group: "apps", Kind: "StatefulSet"}:                              {awaitStatefulSet, waitLimit},
	{Group: "apps", Kind: "DaemonSet"}:                                {awaitDaemonSet, waitLimit},
	{Group: "batch", Kind: "Job"}:                                     {awaitJob, waitLimit},
	{Kind: "Pod"}:                                                     {awaitPod, waitLimit},
	{Kind: "ReplicationController"}:                                   {awaitReplicationController, volumeLimit},
	{Kind: "Service"}:                                                 {awaitService, waitLimit},
	{Group: "networking.k8s.io", Kind: "Ingress"}:                     {awaitIngress, waitLimit},
	{Kind: "PersistentVolumeClaim"}:                                   {awaitClaim, volumeLimit},
	{Kind: "PersistentVolume"}:                                        {awaitVolume, volumeLimit},
	{Kind: "ResourceQuota"}:                                           {awaitQuota, time.Minute},
	{Kind: "Secret"}:                                                  {awaitSecret, volumeLimit},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: {awaitDefinition, time.Minute},
}

// unfinished is an object that is there, but did not become what it should.
type unfinished struct {
	why      string
	problems []string
}

func (u *unfinished) error(live *unstructured.Unstructured) error {
	return fmt.Errorf("%s %s is there, but %s", live.GetKind(), address(live), u.why)
}

// awaiterOf an object: its own conditions from an annotation, or what its kind has; nil where nothing is waited for.
func awaiterOf(wanted *unstructured.Unstructured) (awaiter, time.Duration, error) {
	if isTrue(wanted, annotationSkipAwait) {
		return nil, 0, nil
	}
	if conditions := annotation(wanted, annotationWaitFor); conditions != "" {
		custom, err := customAwaiter(conditions)
		return custom, waitLimit, err
	}
	found := awaiters[wanted.GroupVersionKind().GroupKind()]
	return found.look, found.limit, nil
}

// await waits until an object has become what it should. It returns the object as last seen.
func (p *Provider) await(
	ctx context.Context, op *operation, wanted, live *unstructured.Unstructured,
) (*unstructured.Unstructured, *unfinished) {
	look, limit, err := awaiterOf(wanted)
	if err != nil {
		return live, &unfinished{why: err.Error()}
	}
	if look == nil {
		return live, nil
	}
	if seconds, err := strconv.Atoi(annotation(wanted, annotationTimeout)); err == nil {
		limit = time.Duration(seconds) * time.Second
	}
	if op.limit > 0 {
		limit = op.limit
	}
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
	reported, settled, settledSince := time.Now(), "", time.Now()
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
		if found.settles != settled {
			settled, settledSince = found.settles, time.Now()
		}
		if found.ready && (found.settles == "" || time.Since(settledSince) >= settling) {
			return live, nil
		}
		if found.failed != "" {
			return live, &unfinished{why: found.failed, problems: found.problems(ctx)}
		}
		op.progress(found.status)
		if found.diagnose != nil && time.Since(reported) >= reportEvery {
			reported = time.Now()
			for _, problem := range found.diagnose(ctx) {
				op.progress(problem)
			}
		}
		if time.Now().After(deadline) {
			return live, &unfinished{why: fmt.Sprintf("not ready after %v", limit), problems: found.problems(ctx)}
		}
		select {
		case <-ctx.Done():
			return live, &unfinished{why: "waiting for it was cancelled", problems: found.reasons}
		case <-time.After(glance):
		}
	}
}

func (f finding) problems(ctx context.Context) []string {
	problems := f.reasons
	if f.diagnose != nil {
		problems = append(problems, f.diagnose(ctx)...)
	}
	if len(problems) == 0 && f.status != "" {
		problems = []string{f.status}
	}
	return problems
}

// look sees once whether an object is what it should be: for refreshing.
func (p *Provider) look(ctx context.Context, wanted, live *unstructured.Unstructured) *unfinished {
	look, _, err := awaiterOf(wanted)
	if err != nil || look == nil {
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
	return &unfinished{why: orElse(found.failed, "is not ready"), problems: found.problems(ctx)}
}

// awaitGone waits until an object is no more.
func (p *Provider) awaitGone(
	ctx context.Context, op *operation, client dynamic.ResourceInterface, object *unstructured.Unstructured,
) error {
	limit := goneLimit
	if seconds, err := strconv.Atoi(annotation(object, annotationTimeout)); err == nil {
		limit = time.Duration(seconds) * time.Second
	}
	if op.limit > 0 {
		limit = op.limit
	}
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

// customAwaiter waits for what annotation pulumi.com/waitFor asks: condition=TYPE, condition=TYPE=STATUS, jsonpath={PATH},
// jsonpath={PATH}=VALUE, or a JSON list of these.
func customAwaiter(text string) (awaiter, error) {
	texts := []string{text}
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		if err := json.Unmarshal([]byte(text), &texts); err != nil {
			return nil, fmt.Errorf("annotation %s: expected a JSON list of conditions: %w", annotationWaitFor, err)
		}
	}
	type condition struct {
		text  string
		holds func(live *unstructured.Unstructured) bool
	}
	var conditions []condition
	for _, text := range texts {
		kind, rest, _ := strings.Cut(text, "=")
		switch {
		case kind == "condition" && rest != "":
			name, status, given := strings.Cut(rest, "=")
			if !given {
				status = "True"
			}
			conditions = append(conditions, condition{text, func(live *unstructured.Unstructured) bool {
				return hasCondition(live, name, status)
			}})
		case kind == "jsonpath" && strings.HasPrefix(rest, "{") && strings.Contains(rest, "}"):
			end := strings.LastIndex(rest, "}")
			expression, value, given := rest[:end+1], "", false
			if end < len(rest)-1 {
				value, given = strings.CutPrefix(rest[end+1:], "=")
			}
			path := jsonpath.New("waitFor").AllowMissingKeys(true)
			if err := path.Parse(expression); err != nil {
				return nil, fmt.Errorf("annotation %s: %s: %w", annotationWaitFor, text, err)
			}
			conditions = append(conditions, condition{text, func(live *unstructured.Unstructured) bool {
				found, err := path.FindResults(live.Object)
				if err != nil {
					return false
				}
				for _, results := range found {
					for _, result := range results {
						if !given || fmt.Sprint(result.Interface()) == value {
							return true
						}
					}
				}
				return false
			}})
		default:
			return nil, fmt.Errorf("annotation %s: got %q, expected condition=TYPE, condition=TYPE=STATUS, jsonpath={PATH}, "+
				"jsonpath={PATH}=VALUE, or a JSON list of these", annotationWaitFor, text)
		}
	}
	return func(_ context.Context, _ *clients, live *unstructured.Unstructured) (finding, error) {
		var missing []string
		for _, condition := range conditions {
			if !condition.holds(live) {
				missing = append(missing, condition.text)
			}
		}
		return finding{ready: len(missing) == 0, status: "Waiting for " + strings.Join(missing, ", ")}, nil
	}, nil
}

func hasCondition(live *unstructured.Unstructured, name, status string) bool {
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, entry := range conditions {
		if condition, _ := entry.(map[string]any); condition["type"] == name {
			return strings.EqualFold(fmt.Sprint(condition["status"]), status)
		}
	}
	return false
}
