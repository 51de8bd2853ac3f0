package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	networking "k8s.io/api/networking/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
)

// looked is what an awaiter finds of the first object, with the others in the cluster.
func looked(t *testing.T, look awaiter, live runtime.Object, others ...runtime.Object) (finding, string) {
	t.Helper()
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		t.Fatal(err)
	}
	found, err := look(t.Context(), &clients{typed: fake.NewClientset(others...)}, &unstructured.Unstructured{Object: object})
	if err != nil {
		t.Fatal(err)
	}
	return found, strings.Join(append(found.problems(t.Context()), found.status, found.failed), "\n")
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "team", UID: "u-1"}
}

func ownedBy(meta metav1.ObjectMeta, kind, name string) metav1.ObjectMeta {
	owns := true
	meta.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, UID: "u-1", Controller: &owns}}
	meta.Labels = map[string]string{"app": "web", batch.JobNameLabel: name}
	return meta
}

var selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}

func rollout(generation int64, available, progressing core.ConditionStatus) *apps.Deployment {
	meta := named("web")
	meta.Generation, meta.Annotations = generation, map[string]string{revisionAnnotation: "2"}
	return &apps.Deployment{
		ObjectMeta: meta, Spec: apps.DeploymentSpec{Selector: selector},
		Status: apps.DeploymentStatus{ObservedGeneration: 2, Conditions: []apps.DeploymentCondition{
			{Type: apps.DeploymentAvailable, Status: available, Reason: "MinimumReplicasUnavailable", Message: "no minimum availability"},
			{Type: apps.DeploymentProgressing, Status: progressing, Reason: "NewReplicaSetAvailable"},
		}},
	}
}

func replicaSet(revision string, ready int32) *apps.ReplicaSet {
	meta := ownedBy(named("web-"+revision), "Deployment", "web")
	meta.Annotations = map[string]string{revisionAnnotation: revision}
	return &apps.ReplicaSet{ObjectMeta: meta, Status: apps.ReplicaSetStatus{ReadyReplicas: ready}}
}

func pod(status core.PodStatus) *core.Pod {
	return &core.Pod{ObjectMeta: ownedBy(named("web-0"), "ReplicaSet", "web"), Status: status}
}

func waiting(reason, message string) core.PodStatus {
	return core.PodStatus{ContainerStatuses: []core.ContainerStatus{{
		Name: "web", State: core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

func TestADeploymentIsReadyWhenItsNewReplicaSetIs(t *testing.T) {
	yes, no := core.ConditionTrue, core.ConditionFalse
	withClaim := rollout(2, yes, yes)
	withClaim.Spec.Template.Spec.Volumes = []core.Volume{{Name: "v", VolumeSource: core.VolumeSource{
		PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
	}}}
	for name, c := range map[string]struct {
		live   *apps.Deployment
		others []runtime.Object
		ready  bool
		want   string
	}{
		"ready":         {rollout(2, yes, yes), []runtime.Object{replicaSet("2", 1)}, true, ""},
		"not seen":      {rollout(3, yes, yes), []runtime.Object{replicaSet("2", 1)}, false, "see the change"},
		"only the old":  {rollout(2, yes, yes), []runtime.Object{replicaSet("1", 1)}, false, "not created yet"},
		"none ready":    {rollout(2, no, yes), []runtime.Object{replicaSet("2", 0)}, false, "[1/2] Waiting for app ReplicaSet be available (0/1 Pods available)"},
		"its own words": {rollout(2, no, yes), []runtime.Object{replicaSet("2", 0)}, false, "[MinimumReplicasUnavailable] no minimum availability"},
		"rolling":       {rollout(2, yes, no), []runtime.Object{replicaSet("2", 1)}, false, "(1/1 Pods available)"},
		"image": {rollout(2, no, yes), []runtime.Object{replicaSet("2", 0), pod(waiting("ImagePullBackOff", "no such image"))}, false,
			"[Pod web-0] container web: [ImagePullBackOff] no such image"},
		"claim": {withClaim, []runtime.Object{replicaSet("2", 1), &core.PersistentVolumeClaim{ObjectMeta: named("data")}}, false,
			"Failed to bind PersistentVolumeClaim(s): [data]"},
	} {
		found, text := looked(t, awaitDeployment, c.live, c.others...)
		if found.ready != c.ready || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %v, %s", name, found.ready, text)
		}
	}
}

func TestOtherWorkloads(t *testing.T) {
	two := int32(2)
	stateful := func(current string, ready int32) *apps.StatefulSet {
		return &apps.StatefulSet{ObjectMeta: named("db"), Spec: apps.StatefulSetSpec{Replicas: &two, Selector: selector},
			Status: apps.StatefulSetStatus{CurrentRevision: current, UpdateRevision: "new", Replicas: 2, ReadyReplicas: ready}}
	}
	daemon := func(updated, ready int32) *apps.DaemonSet {
		return &apps.DaemonSet{ObjectMeta: named("agent"), Spec: apps.DaemonSetSpec{Selector: selector},
			Status: apps.DaemonSetStatus{DesiredNumberScheduled: 2, UpdatedNumberScheduled: updated, NumberReady: ready}}
	}
	job := func(conditions ...batch.JobCondition) *batch.Job {
		return &batch.Job{ObjectMeta: named("migrate"), Status: batch.JobStatus{Conditions: conditions}}
	}
	crashed := core.PodStatus{ContainerStatuses: []core.ContainerStatus{{Name: "web", State: core.ContainerState{
		Terminated: &core.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}}}}}
	running := core.PodStatus{Phase: core.PodRunning, Conditions: []core.PodCondition{{Type: core.PodReady, Status: core.ConditionTrue}}}
	unscheduled := core.PodStatus{Phase: core.PodPending, Conditions: []core.PodCondition{
		{Type: core.PodScheduled, Status: core.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}}
	for name, c := range map[string]struct {
		look   awaiter
		live   runtime.Object
		others []runtime.Object
		ready  bool
		want   string
	}{
		"StatefulSet":            {awaitStatefulSet, stateful("new", 2), nil, true, ""},
		"StatefulSet, rolling":   {awaitStatefulSet, stateful("old", 2), nil, false, "[1/3]"},
		"StatefulSet, not ready": {awaitStatefulSet, stateful("new", 1), nil, false, "[2/3] Waiting for Pods to be ready (1/2 Pods ready)"},
		"DaemonSet":              {awaitDaemonSet, daemon(2, 2), nil, true, ""},
		"DaemonSet, rolling":     {awaitDaemonSet, daemon(1, 2), nil, false, "(1/2 updated, 2/2 ready)"},
		"Job":                    {awaitJob, job(batch.JobCondition{Type: batch.JobComplete, Status: core.ConditionTrue}), nil, true, ""},
		"Job, started":           {awaitJob, job(), nil, false, `Waiting for Job "migrate" to start`},
		"Job, failed": {awaitJob, job(batch.JobCondition{Type: batch.JobFailed, Status: core.ConditionTrue, Reason: "BackoffLimitExceeded", Message: "too often"}),
			[]runtime.Object{&core.Pod{ObjectMeta: ownedBy(named("migrate-0"), "Job", "migrate"), Status: crashed}}, false,
			"container web ended with exit code 3 (Error); its last lines:\n      fake logs\nWaiting for Job \"migrate\" to start\nfailed: [BackoffLimitExceeded] too often"},
		"Pod":              {awaitPod, pod(running), nil, true, ""},
		"Pod, succeeded":   {awaitPod, pod(core.PodStatus{Phase: core.PodSucceeded}), nil, true, ""},
		"Pod, unscheduled": {awaitPod, pod(unscheduled), nil, false, "[Unschedulable] 0/1 nodes are available"},
		"Pod, failed":      {awaitPod, pod(core.PodStatus{Phase: core.PodFailed, Reason: "Evicted", Message: "disk"}), nil, false, "failed: [Evicted] disk"},
		"Pod, crashing": {awaitPod, pod(core.PodStatus{ContainerStatuses: []core.ContainerStatus{{Name: "web",
			State:                core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: core.ContainerState{Terminated: &core.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}}}}), nil, false,
			"ended with exit code 1 (Error); its last lines:\n      fake logs"},
		"Pod, mounting": {awaitPod, pod(waiting("ContainerCreating", "")), []runtime.Object{&core.Event{
			ObjectMeta: named("e"), Type: core.EventTypeWarning, Reason: "FailedMount", Message: "no such Secret"}}, false, "[FailedMount] no such Secret"},
	} {
		found, text := looked(t, c.look, c.live, c.others...)
		if found.ready != c.ready || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %v, %s", name, found.ready, text)
		}
	}
}

func slice(service string, ready ...bool) *discovery.EndpointSlice {
	meta := named(service + "-1")
	meta.Labels = map[string]string{discovery.LabelServiceName: service}
	endpoints := &discovery.EndpointSlice{ObjectMeta: meta}
	for _, is := range ready {
		endpoints.Endpoints = append(endpoints.Endpoints, discovery.Endpoint{Conditions: discovery.EndpointConditions{Ready: &is}})
	}
	return endpoints
}

func TestServices(t *testing.T) {
	service := func(spec core.ServiceSpec) *core.Service { return &core.Service{ObjectMeta: named("web"), Spec: spec} }
	plain := core.ServiceSpec{Selector: map[string]string{"app": "web"}}
	balanced, headless, external := plain, plain, plain
	balanced.Type, headless.ClusterIP, external.Type = core.ServiceTypeLoadBalancer, core.ClusterIPNone, core.ServiceTypeExternalName
	for name, c := range map[string]struct {
		spec   core.ServiceSpec
		others []runtime.Object
		ready  bool
		want   string
	}{
		"ready":         {plain, []runtime.Object{slice("web", true)}, true, ""},
		"no Pods":       {plain, []runtime.Object{slice("web")}, true, ""},
		"unready":       {plain, []runtime.Object{slice("web", true, false)}, false, "(1 ready, 1 not ready)"},
		"not seen":      {plain, nil, false, "may not match labels on any Pods"},
		"no selector":   {core.ServiceSpec{}, nil, true, ""},
		"headless":      {headless, nil, true, ""},
		"external":      {external, nil, true, ""},
		"load balancer": {balanced, []runtime.Object{slice("web", true)}, false, "[2/3] Attempting to allocate IP address to Service"},
	} {
		found, text := looked(t, awaitService, service(c.spec), c.others...)
		if found.ready != c.ready || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %v, %s", name, found.ready, text)
		}
	}
}

func TestIngresses(t *testing.T) {
	ingress := func(published bool) *networking.Ingress {
		made := &networking.Ingress{ObjectMeta: named("web"), Spec: networking.IngressSpec{Rules: []networking.IngressRule{{
			Host: "a.test", IngressRuleValue: networking.IngressRuleValue{HTTP: &networking.HTTPIngressRuleValue{Paths: []networking.HTTPIngressPath{{
				Path: "/", Backend: networking.IngressBackend{Service: &networking.IngressServiceBackend{Name: "web"}},
			}}}},
		}}}}
		if published {
			made.Status.LoadBalancer.Ingress = []networking.IngressLoadBalancerIngress{{IP: "10.0.0.1"}}
		}
		return made
	}
	service := &core.Service{ObjectMeta: named("web")}
	external := &core.Service{ObjectMeta: named("web"), Spec: core.ServiceSpec{Type: core.ServiceTypeExternalName}}
	for name, c := range map[string]struct {
		live    *networking.Ingress
		others  []runtime.Object
		ready   bool
		settles string
		want    string
	}{
		"ready":         {ingress(true), []runtime.Object{service, slice("web", true)}, true, "", ""},
		"external name": {ingress(true), []runtime.Object{external}, true, "", ""},
		"no service":    {ingress(true), nil, true, `"a.test/" -> "web"`, "No matching service found"},
		"no controller": {ingress(false), []runtime.Object{service, slice("web", true)}, false, "", "check ingressClassName"},
	} {
		found, text := looked(t, awaitIngress, c.live, c.others...)
		if found.ready != c.ready || found.settles != c.settles || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %v, %q, %s", name, found.ready, found.settles, text)
		}
	}
}

func TestClaims(t *testing.T) {
	class, late := "local", storage.VolumeBindingWaitForFirstConsumer
	claim := func(phase core.PersistentVolumeClaimPhase, class *string) *core.PersistentVolumeClaim {
		return &core.PersistentVolumeClaim{ObjectMeta: named("data"), Spec: core.PersistentVolumeClaimSpec{StorageClassName: class},
			Status: core.PersistentVolumeClaimStatus{Phase: phase}}
	}
	classes := func(mode *storage.VolumeBindingMode) runtime.Object {
		return &storage.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: class}, VolumeBindingMode: mode}
	}
	for name, c := range map[string]struct {
		live   *core.PersistentVolumeClaim
		others []runtime.Object
		ready  bool
		want   string
	}{
		"bound":    {claim(core.ClaimBound, &class), nil, true, ""},
		"pending":  {claim(core.ClaimPending, &class), []runtime.Object{classes(nil)}, false, "to be bound (Pending)"},
		"later":    {claim(core.ClaimPending, &class), []runtime.Object{classes(&late)}, true, ""},
		"no class": {claim(core.ClaimPending, nil), nil, false, "no default StorageClass"},
		"unknown":  {claim(core.ClaimPending, &class), nil, false, `no StorageClass "local"`},
	} {
		found, text := looked(t, awaitClaim, c.live, c.others...)
		if found.ready != c.ready || !strings.Contains(text, c.want) {
			t.Errorf("%s: got %v, %s", name, found.ready, text)
		}
	}
}

func TestWaitFor(t *testing.T) {
	live := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{
		"phase": "Running", "conditions": []any{map[string]any{"type": "Synced", "status": "True"}, map[string]any{"type": "Stalled", "status": "False"}},
	}}}
	for text, ready := range map[string]bool{
		"condition=Synced":                   true,
		"condition=Stalled":                  false,
		"condition=Stalled=False":            true,
		"jsonpath={.status.phase}=Running":   true,
		"jsonpath={.status.phase}=Pending":   false,
		"jsonpath={.status.phase}":           true,
		"jsonpath={.status.missing}":         false,
		`["condition=Synced","condition=X"]`: false,
	} {
		custom, err := customAwaiter(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if found, err := custom(t.Context(), nil, live); err != nil || found.ready != ready {
			t.Errorf("%s: got %v, %v", text, found, err)
		}
	}
	for _, text := range []string{"ready", "[1", "jsonpath={.status[", "condition="} {
		if _, err := customAwaiter(text); err == nil || !strings.Contains(fmt.Sprint(err), annotationWaitFor) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
