package kubernetes

import (
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// replacing lists, by kind, the fields whose change needs a new object, beside its name: what the official provider replaces
// for, which is what the API server would refuse to change, and the data of what it does not take for mutable.
var replacing = map[string][]string{
	"ConfigMap":             {"binaryData", "data"},
	"PersistentVolumeClaim": {"spec.accessModes", "spec.selector", "spec.storageClassName", "spec.volumeName"},
	"RoleBinding":           {"roleRef"},
	"Secret":                {"data", "stringData", "type"},
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
		if path[i] != field[i] {
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
	case value.IsObject():
		return has(value.ObjectValue()[resource.PropertyKey(steps[0])], steps[1:])
	}
	return false
}
