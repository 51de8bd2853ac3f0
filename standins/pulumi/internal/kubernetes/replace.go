package kubernetes

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// replacing lists, by kind, the fields whose change needs a new object: what the official provider replaces for, which is what
// the API server would refuse to change. A `*` stands for every item of a list.
var replacing = map[schema.GroupKind][]string{
	{Group: "apps", Kind: "DaemonSet"}:  {"spec.selector"},
	{Group: "apps", Kind: "Deployment"}: {"spec.selector"},
	{Group: "apps", Kind: "StatefulSet"}: {
		"spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector", "spec.serviceName", "spec.volumeClaimTemplates",
	},
	{Group: "batch", Kind: "Job"}:                                    {"spec.completions", "spec.parallelism", "spec.selector", "spec.template"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"}: {"roleRef"},
	{Group: "rbac.authorization.k8s.io", Kind: "RoleBinding"}:        {"roleRef"},
	{Group: "storage.k8s.io", Kind: "StorageClass"}:                  {"parameters", "provisioner"},
	{Kind: "PersistentVolume"}:                                       volumeSources,
	{Kind: "PersistentVolumeClaim"}:                                  {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	{Kind: "Pod"}:                                                    podFields,
	{Kind: "ResourceQuota"}:                                          {"spec.scopes"},
	{Kind: "Secret"}:                                                 {"type"},
	{Kind: "Service"}:                                                {"spec.clusterIP"},
}

var volumeSources = under("spec", "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume flocker gcePersistentDisk "+
	"glusterfs hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte rbd scaleIO storageos vsphereVolume")

var podFields = slices.Concat(
	under("spec", "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC hostNetwork hostPID "+
		"hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority priorityClassName readinessGates restartPolicy "+
		"runtimeClassName schedulerName securityContext serviceAccount serviceAccountName shareProcessNamespace subdomain "+
		"terminationGracePeriodSeconds volumes"),
	under("spec.containers.*", containerFields), under("spec.initContainers.*", containerFields),
)

const containerFields = "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe resources securityContext " +
	"stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts workingDir"

func under(prefix, names string) []string {
	var paths []string
	for name := range strings.FieldsSeq(names) {
		paths = append(paths, prefix+"."+name)
	}
	return paths
}

// replacingFields of an object with these inputs.
func (s settings) replacingFields(kind schema.GroupVersionKind, inputs resource.PropertyMap) []string {
	fields := slices.Concat([]string{"metadata.name", "metadata.namespace"}, replacing[kind.GroupKind()])
	immutable := inputs["immutable"].IsBool() && inputs["immutable"].BoolValue()
	switch {
	case isSecret(kind) && (!s.EnableSecretMutable || immutable):
		fields = append(fields, "data", "stringData")
	case kind.Group == "" && kind.Kind == "ConfigMap" && (!s.EnableConfigMapMutable || immutable):
		fields = append(fields, "binaryData", "data")
	case kind.Group == "policy" && kind.Version == "v1beta1" && kind.Kind == "PodDisruptionBudget":
		fields = append(fields, "spec")
	}
	return fields
}

// difference of normalized inputs, with the changes that need a new object marked.
func difference(old, new resource.PropertyMap, replacing []string) (map[string]plugin.PropertyDiff, error) {
	changes := plugin.NewDetailedDiffFromObjectDiff(old.Diff(new), true)
	for at, change := range changes {
		path, err := resource.ParsePropertyPath(at)
		if err != nil {
			return nil, err
		}
		touches := func(field string) bool {
			steps := strings.Split(field, ".")
			if !alike(path, steps) {
				return false
			}
			// A field below what changed is touched if it was or is there.
			return len(path) >= len(steps) || has(resource.NewProperty(old), steps) || has(resource.NewProperty(new), steps)
		}
		if slices.ContainsFunc(replacing, touches) {
			changes[at] = change.ToReplace()
		}
	}
	return changes, nil
}

// alike says whether a path and a field are the same as far as both go.
func alike(path resource.PropertyPath, field []string) bool {
	for i := range min(len(path), len(field)) {
		if field[i] != "*" && path[i] != field[i] {
			return false
		}
	}
	return true
}

func has(value resource.PropertyValue, steps []string) bool {
	switch {
	case len(steps) == 0:
		return value.HasValue() || value.ContainsUnknowns()
	case value.IsComputed():
		return true
	case value.IsArray() && steps[0] == "*":
		return slices.ContainsFunc(value.ArrayValue(), func(item resource.PropertyValue) bool { return has(item, steps[1:]) })
	case value.IsObject():
		return has(value.ObjectValue()[resource.PropertyKey(steps[0])], steps[1:])
	}
	return false
}
