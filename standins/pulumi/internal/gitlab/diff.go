package gitlab

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"auto-devops/standins/pulumi/internal/standin"
)

// diff takes out what is no difference officially: an input that is given no more where GitLab has a value of its own, and
// sets in another order.
func (m mapping) diff(call *standin.Call, diff *plugin.DiffResult) error {
	for name := range m.schema.InputProperties {
		key := resource.PropertyKey(name)
		old, given := call.OldInputs[key]
		wanted, still := call.Inputs[key]
		switch {
		case given && !still && m.kept(name):
			forget(diff, name)
		case given && still && old.IsArray() && wanted.IsArray() && settled(wanted, old).DeepEquals(wanted):
			forget(diff, name)
		}
	}
	return nil
}

// forget takes a property, whole or in part, out of the differences.
func forget(diff *plugin.DiffResult, name string) {
	for path := range diff.DetailedDiff {
		parsed, err := resource.ParsePropertyPath(path)
		if err == nil && len(parsed) > 0 && parsed[0] == name {
			delete(diff.DetailedDiff, path)
		}
	}
}

// replaces says whether any difference asks for a new resource.
func replaces(diff *plugin.DiffResult) bool {
	for _, change := range diff.DetailedDiff {
		if change.Kind.IsReplace() {
			return true
		}
	}
	return false
}

// inTheWay has the old one deleted first when GitLab would refuse the new one beside it: these inputs stay the same.
func inTheWay(call *standin.Call, diff *plugin.DiffResult, inputs ...string) {
	for _, name := range inputs {
		key := resource.PropertyKey(name)
		if !call.OldInputs[key].DeepEquals(call.Inputs[key]) {
			return
		}
	}
	diff.DeleteBeforeReplace = replaces(diff)
}
