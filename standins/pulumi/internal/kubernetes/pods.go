package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
)

const (
	// mostProblems keeps the report of many Pods readable: they fail alike.
	mostProblems = 6
	// lastLines of a container that ended are shown.
	lastLines = 10
)

// ordinary are reasons of containers that are simply not there yet.
var ordinary = []string{"", "ContainerCreating", "PodInitializing"}

// problemsOf says what keeps a Pod from being ready: scheduling, images, crashes with the last lines of their logs, or what the
// node reports about it.
func (c *clients) problemsOf(ctx context.Context, pod *core.Pod) []string {
	var problems []string
	report := func(format string, args ...any) {
		problems = append(problems, fmt.Sprintf("[Pod %s] ", pod.Name)+fmt.Sprintf(format, args...))
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == core.PodScheduled && condition.Status == core.ConditionFalse {
			report("[%s] %s", condition.Reason, condition.Message)
		}
	}
	for _, container := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		ended := container.State.Terminated
		if ended == nil {
			ended = container.LastTerminationState.Terminated
		}
		waiting := container.State.Waiting
		switch {
		case waiting != nil && !slices.Contains(ordinary, waiting.Reason):
			report("container %s: [%s] %s", container.Name, waiting.Reason, waiting.Message)
		case container.State.Terminated != nil && container.State.Terminated.ExitCode != 0:
		case container.State.Running != nil && !container.Ready:
			report("container %s is running, but not ready", container.Name)
			continue
		default:
			continue
		}
		if ended != nil {
			report("container %s ended with exit code %d (%s)%s", container.Name, ended.ExitCode, ended.Reason,
				c.lastOutput(ctx, pod, container, ended))
		}
	}
	// An event repeats what the states tell, so it counts where they tell nothing.
	if len(problems) == 0 || pod.Status.Phase == core.PodRunning {
		if event := c.lastWarning(ctx, pod); event != "" {
			report("%s", event)
		}
	}
	return problems
}

// lastOutput is the end of the log of a container that ended.
func (c *clients) lastOutput(
	ctx context.Context, pod *core.Pod, container core.ContainerStatus, ended *core.ContainerStateTerminated,
) string {
	if ended.Message != "" {
		return ": " + ended.Message
	}
	lines := int64(lastLines)
	text, err := c.typed.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &core.PodLogOptions{
		Container: container.Name, TailLines: &lines, Previous: container.State.Terminated == nil,
	}).DoRaw(ctx)
	if err != nil {
		return ""
	}
	return prefixed("; its last lines:\n      ", strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n      "))
}

// podProblems looks closer at the Pods with these labels that are not ready.
func (c *clients) podProblems(ctx context.Context, namespace string, selector labels.Set) []string {
	pods, err := c.typed.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return []string{fmt.Sprintf("cannot list the Pods: %v", err)}
	}
	var problems []string
	for i := range pods.Items {
		if pod := &pods.Items[i]; !isReady(pod) && pod.Status.Phase != core.PodSucceeded && len(problems) < mostProblems {
			problems = append(problems, c.problemsOf(ctx, pod)...)
		}
	}
	return problems
}

func isReady(pod *core.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(condition core.PodCondition) bool {
		return condition.Type == core.PodReady && condition.Status == core.ConditionTrue
	})
}

func (c *clients) lastWarning(ctx context.Context, pod *core.Pod) string {
	events, err := c.typed.CoreV1().Events(pod.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.uid": string(pod.UID), "type": core.EventTypeWarning}.String(),
	})
	if err != nil || len(events.Items) == 0 {
		return ""
	}
	last := slices.MaxFunc(events.Items, func(a, b core.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	return fmt.Sprintf("[%s] %s", last.Reason, last.Message)
}
