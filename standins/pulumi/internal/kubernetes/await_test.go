package kubernetes

import (
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
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
	return found, strings.Join(append(found.problems(), found.status), "\n")
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "team", UID: "u-1", Labels: map[string]string{"app": "web"}}
}

func waiting(reason, message string) core.PodStatus {
	return core.PodStatus{ContainerStatuses: []core.ContainerStatus{{
		Name: "web", State: core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: reason, Message: message}},
	}}}
}

func TestWhatIsWrongWithPodsIsTold(t *testing.T) {
	running := core.PodStatus{Phase: core.PodRunning, Conditions: []core.PodCondition{{Type: core.PodReady, Status: core.ConditionTrue}}}
	for name, c := range map[string]struct {
		status core.PodStatus
		others []runtime.Object
		want   string
	}{
		"ready":     {running, nil, ""},
		"succeeded": {core.PodStatus{Phase: core.PodSucceeded}, nil, ""},
		"image":     {waiting("ImagePullBackOff", "no such image"), nil, "[Pod web-0] container web: [ImagePullBackOff] no such image"},
		"unscheduled": {core.PodStatus{Phase: core.PodPending, Conditions: []core.PodCondition{
			{Type: core.PodScheduled, Status: core.ConditionFalse, Reason: "Unschedulable", Message: "0/1 nodes are available"}}}, nil,
			"[Unschedulable] 0/1 nodes are available"},
		"ended": {core.PodStatus{ContainerStatuses: []core.ContainerStatus{{Name: "web", State: core.ContainerState{
			Terminated: &core.ContainerStateTerminated{ExitCode: 3, Reason: "Error"}}}}}, nil,
			"container web ended with exit code 3 (Error); its last lines:\n      fake logs"},
		"crashing": {core.PodStatus{ContainerStatuses: []core.ContainerStatus{{Name: "web",
			State:                core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
			LastTerminationState: core.ContainerState{Terminated: &core.ContainerStateTerminated{ExitCode: 1, Reason: "Error"}}}}}, nil,
			"ended with exit code 1 (Error); its last lines:\n      fake logs"},
		"mounting": {waiting("ContainerCreating", ""), []runtime.Object{&core.Event{
			ObjectMeta: named("e"), Type: core.EventTypeWarning, Reason: "FailedMount", Message: "no such Secret"}}, "[FailedMount] no such Secret"},
	} {
		pod := &core.Pod{ObjectMeta: named("web-0"), Status: c.status}
		cluster := &clients{typed: fake.NewClientset(append(c.others, pod)...)}
		text := strings.Join(cluster.podProblems(t.Context(), "team", labels.Set{"app": "web"}), "\n")
		if !strings.Contains(text, c.want) || c.want == "" && text != "" {
			t.Errorf("%s: got %s", name, text)
		}
		if others := cluster.podProblems(t.Context(), "team", labels.Set{"app": "other"}); len(others) > 0 {
			t.Errorf("%s: told of another's Pods: %v", name, others)
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
