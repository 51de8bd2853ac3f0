package kubernetes

import (
	"context"
	"fmt"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

const revisionAnnotation = "deployment.kubernetes.io/revision"

// replicas that a specification asks for.
func replicas(given *int32) int32 {
	if given == nil {
		return 1
	}
	return *given
}

// awaitDeployment waits until the controller has seen the specification, the ReplicaSet of its revision is available, and so is
// the Deployment, with the claims that its Pods mount.
func awaitDeployment(ctx context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	deployment, err := typedAs[apps.Deployment](live)
	if err != nil {
		return finding{}, err
	}
	if deployment.Status.ObservedGeneration < deployment.Generation {
		return finding{status: "[1/2] Waiting for the Deployment controller to see the change"}, nil
	}
	found := finding{}
	var available, rolledOut bool
	for _, condition := range deployment.Status.Conditions {
		holds := condition.Status == core.ConditionTrue
		switch condition.Type {
		case apps.DeploymentAvailable:
			available = holds
		case apps.DeploymentProgressing:
			rolledOut = holds && condition.Reason == "NewReplicaSetAvailable"
		case apps.DeploymentReplicaFailure:
			holds = !holds
		}
		if !holds {
			found.reasons = append(found.reasons, fmt.Sprintf("[%s] %s", condition.Reason, condition.Message))
		}
	}
	options, err := selected(deployment.Spec.Selector)
	if err != nil {
		return finding{}, err
	}
	sets, err := clients.typed.AppsV1().ReplicaSets(deployment.Namespace).List(ctx, options)
	if err != nil {
		return finding{}, err
	}
	var current *apps.ReplicaSet
	for i := range sets.Items {
		set := &sets.Items[i]
		if metav1.IsControlledBy(set, deployment) && set.Annotations[revisionAnnotation] == deployment.Annotations[revisionAnnotation] {
			current = set
		}
	}
	// A ReplicaSet that is being scaled is the plan of record; a Deployment of no replicas has none to wait for.
	wanted := replicas(deployment.Spec.Replicas)
	if current == nil {
		found.status = "[1/2] Waiting for app ReplicaSet be available (not created yet)"
		return found, nil
	}
	ready := current.Status.ReadyReplicas
	found.status = fmt.Sprintf("[1/2] Waiting for app ReplicaSet be available (%d/%d Pods available)", ready, wanted)
	found.diagnose = clients.podProblems(deployment.Namespace, options, current.UID)
	// A paused Deployment does not roll out; the official provider does not wait for it to.
	if ready < wanted || !available || !rolledOut && !deployment.Spec.Paused {
		return found, nil
	}
	unbound, err := clients.unboundClaims(ctx, deployment.Namespace, deployment.Spec.Template.Spec.Volumes)
	if err != nil {
		return finding{}, err
	}
	if len(unbound) > 0 {
		found.status = fmt.Sprintf("[2/2] Waiting for PersistentVolumeClaims to be bound: %v", unbound)
		found.reasons = append(found.reasons, fmt.Sprintf("Failed to bind PersistentVolumeClaim(s): %v", unbound))
		return found, nil
	}
	found.ready = true
	return found, nil
}

func selected(selector *metav1.LabelSelector) (metav1.ListOptions, error) {
	labels, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return metav1.ListOptions{}, err
	}
	return metav1.ListOptions{LabelSelector: labels.String()}, nil
}

func (c *clients) unboundClaims(ctx context.Context, namespace string, volumes []core.Volume) ([]string, error) {
	var unbound []string
	for _, volume := range volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		claim, err := c.typed.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, volume.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		if claim.Status.Phase != core.ClaimBound {
			unbound = append(unbound, claim.Name)
		}
	}
	return unbound, nil
}

// awaitStatefulSet waits until all replicas are of the new revision and ready.
func awaitStatefulSet(_ context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	set, err := typedAs[apps.StatefulSet](live)
	if err != nil {
		return finding{}, err
	}
	if set.Status.ObservedGeneration < set.Generation {
		return finding{status: "[1/3] Waiting for the StatefulSet controller to see the change"}, nil
	}
	options, err := selected(set.Spec.Selector)
	if err != nil {
		return finding{}, err
	}
	wanted := replicas(set.Spec.Replicas)
	found := finding{diagnose: clients.podProblems(set.Namespace, options, set.UID)}
	strategy := set.Spec.UpdateStrategy
	partition := int32(0)
	if strategy.RollingUpdate != nil && strategy.RollingUpdate.Partition != nil {
		partition = *strategy.RollingUpdate.Partition
	}
	rolledOut := set.Status.UpdateRevision == set.Status.CurrentRevision
	switch {
	case strategy.Type == apps.OnDeleteStatefulSetStrategyType:
		// Pods of the new revision come when someone deletes the old ones.
		rolledOut = true
	case partition > 0:
		rolledOut = set.Status.UpdatedReplicas >= wanted-min(partition, wanted)
	}
	switch {
	case !rolledOut:
		found.status = fmt.Sprintf("[1/3] Waiting for StatefulSet update to roll out (%d/%d Pods updated)", set.Status.UpdatedReplicas, wanted)
	case set.Status.Replicas != wanted || set.Status.ReadyReplicas != wanted:
		found.status = fmt.Sprintf("[2/3] Waiting for Pods to be ready (%d/%d Pods ready)", set.Status.ReadyReplicas, wanted)
	default:
		found.ready = true
	}
	return found, nil
}

// awaitDaemonSet waits until every node that should has a ready Pod of the new specification.
func awaitDaemonSet(_ context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	set, err := typedAs[apps.DaemonSet](live)
	if err != nil {
		return finding{}, err
	}
	if set.Status.ObservedGeneration < set.Generation {
		return finding{status: "Waiting for the DaemonSet controller to see the change"}, nil
	}
	options, err := selected(set.Spec.Selector)
	if err != nil {
		return finding{}, err
	}
	wanted := set.Status.DesiredNumberScheduled
	updated := set.Status.UpdatedNumberScheduled
	if set.Spec.UpdateStrategy.Type == apps.OnDeleteDaemonSetStrategyType {
		updated = wanted
	}
	return finding{
		ready:    updated >= wanted && set.Status.NumberReady >= wanted,
		status:   fmt.Sprintf("Waiting for DaemonSet Pods (%d/%d updated, %d/%d ready)", updated, wanted, set.Status.NumberReady, wanted),
		diagnose: clients.podProblems(set.Namespace, options, set.UID),
	}, nil
}

// awaitJob waits until a Job has completed; one that failed ends the waiting.
func awaitJob(_ context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	job, err := typedAs[batch.Job](live)
	if err != nil {
		return finding{}, err
	}
	options := metav1.ListOptions{LabelSelector: batch.JobNameLabel + "=" + job.Name}
	found := finding{diagnose: clients.podProblems(job.Namespace, options, job.UID)}
	for _, condition := range job.Status.Conditions {
		if condition.Status != core.ConditionTrue {
			continue
		}
		switch condition.Type {
		case batch.JobComplete, batch.JobSuspended:
			found.ready = true
		case batch.JobFailed:
			found.failed = fmt.Sprintf("failed: [%s] %s", condition.Reason, condition.Message)
		}
	}
	found.status = fmt.Sprintf("Waiting for Job %q to succeed (Active: %d | Succeeded: %d | Failed: %d)",
		job.Name, job.Status.Active, job.Status.Succeeded, job.Status.Failed)
	if job.Status.StartTime == nil {
		found.status = fmt.Sprintf("Waiting for Job %q to start", job.Name)
	}
	return found, nil
}

// awaitPod waits until a Pod is ready, or has succeeded.
func awaitPod(_ context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	pod, err := typedAs[core.Pod](live)
	if err != nil {
		return finding{}, err
	}
	found := finding{
		ready:    pod.Status.Phase == core.PodSucceeded || pod.Status.Phase == core.PodRunning && isReady(pod),
		status:   fmt.Sprintf("Waiting for Pod %q to be ready", pod.Name),
		diagnose: func(ctx context.Context) []string { return clients.problemsOf(ctx, pod) },
	}
	if pod.Status.Phase == core.PodFailed {
		found.failed = fmt.Sprintf("failed: [%s] %s", pod.Status.Reason, pod.Status.Message)
	}
	return found, nil
}

func isReady(pod *core.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == core.PodReady {
			return condition.Status == core.ConditionTrue
		}
	}
	return false
}

func awaitReplicationController(_ context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	controller, err := typedAs[core.ReplicationController](live)
	if err != nil {
		return finding{}, err
	}
	wanted := replicas(controller.Spec.Replicas)
	options, err := selected(metav1.SetAsLabelSelector(controller.Spec.Selector))
	if err != nil {
		return finding{}, err
	}
	return finding{
		ready:    controller.Status.ObservedGeneration >= controller.Generation && controller.Status.AvailableReplicas >= wanted,
		status:   fmt.Sprintf("Waiting for Pods to be available (%d/%d)", controller.Status.AvailableReplicas, wanted),
		diagnose: clients.podProblems(controller.Namespace, options, controller.UID),
	}, nil
}

// podProblems looks closer at the Pods of a controller that are not ready.
func (c *clients) podProblems(namespace string, options metav1.ListOptions, owner types.UID) func(ctx context.Context) []string {
	return func(ctx context.Context) []string {
		pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, options)
		if err != nil {
			return []string{fmt.Sprintf("cannot list the Pods: %v", err)}
		}
		var problems []string
		for i := range pods.Items {
			pod := &pods.Items[i]
			controller := metav1.GetControllerOf(pod)
			if controller != nil && controller.UID == owner && !isReady(pod) && pod.Status.Phase != core.PodSucceeded {
				problems = append(problems, c.problemsOf(ctx, pod)...)
			}
			if len(problems) >= mostProblems {
				break
			}
		}
		return problems
	}
}
