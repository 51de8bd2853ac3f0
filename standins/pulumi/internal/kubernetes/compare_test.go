package kubernetes

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

func (p *tested) diff(t *testing.T, token string, old, new resource.PropertyMap) plugin.DiffResult {
	t.Helper()
	diff, err := p.Diff(t.Context(), plugin.DiffRequest{
		URN: urn(token), Type: tokens.Type(token), ID: "default/x", OldInputs: old, OldOutputs: old, NewInputs: new,
	})
	if err != nil {
		t.Fatal(err)
	}
	return diff
}

const (
	claim       = "kubernetes:core/v1:PersistentVolumeClaim"
	role        = "kubernetes:rbac.authorization.k8s.io/v1:Role"
	roleBinding = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
	secretToken = "kubernetes:core/v1:Secret"
)

func pvc(spec map[string]any) resource.PropertyMap {
	return object("v1", "PersistentVolumeClaim", "x", map[string]any{"spec": spec})
}

func TestTheSameSaidDifferentlyIsNoChange(t *testing.T) {
	p := newProvider(t, nil)
	request := func(storage any) map[string]any {
		return map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": storage}}}
	}
	for name, c := range map[string]struct{ old, new resource.PropertyMap }{
		"quantities":           {pvc(request("1024Mi")), pvc(request("1Gi"))},
		"zero values":          {pvc(map[string]any{"volumeName": ""}), pvc(map[string]any{})},
		"no field of the kind": {pvc(map[string]any{"volumName": "x"}), pvc(map[string]any{})},
		"the server's fields": {object("v1", "PersistentVolumeClaim", "x", map[string]any{"metadata": map[string]any{
			"name": "x", "namespace": "team", "uid": "u"}}), object("v1", "PersistentVolumeClaim", "x", nil)},
	} {
		if diff := p.diff(t, claim, c.old, c.new); diff.Changes != plugin.DiffNone {
			t.Errorf("%s: got %v", name, diff.DetailedDiff)
		}
	}
}

func TestWhatReplaces(t *testing.T) {
	update, replace := plugin.DiffUpdate, plugin.DiffUpdateReplace
	data := func(kind, value string) resource.PropertyMap {
		return object("v1", kind, "x", map[string]any{"data": map[string]any{"a": value}})
	}
	rules := func(verb any) resource.PropertyMap {
		return object("rbac.authorization.k8s.io/v1", "Role", "x", map[string]any{
			"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": []any{verb}}},
		})
	}
	binding := func(role, account string) resource.PropertyMap {
		return object("rbac.authorization.k8s.io/v1", "RoleBinding", "x", map[string]any{
			"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
			"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": account, "namespace": "team"}},
		})
	}
	for name, c := range map[string]struct {
		token    string
		old, new resource.PropertyMap
		path     string
		kind     plugin.DiffKind
	}{
		"rule":         {role, rules("get"), rules("list"), "rules[0].verbs[0]", update},
		"unknown rule": {role, rules("get"), rules(resource.MakeComputed(resource.NewProperty(""))), "rules[0].verbs[0]", update},
		"role":         {roleBinding, binding("a", "x"), binding("b", "x"), "roleRef.name", replace},
		"subject":      {roleBinding, binding("a", "x"), binding("a", "y"), "subjects[0].name", update},
		"name":         {configMap, object("v1", "ConfigMap", "x", nil), object("v1", "ConfigMap", "y", nil), "metadata.name", replace},
		"ConfigMap":    {configMap, data("ConfigMap", "1"), data("ConfigMap", "2"), "data.a", replace},
		"Secret":       {secretToken, data("Secret", "MQ=="), data("Secret", "Mg=="), "data.a", replace},
		"claim's size": {claim, pvc(map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}),
			pvc(map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": "2Gi"}}}), "spec.resources.requests.storage", update},
		"claim's class": {claim, pvc(map[string]any{"storageClassName": "a"}), pvc(map[string]any{"storageClassName": "b"}),
			"spec.storageClassName", replace},
		"claim's whole": {claim, object("v1", "PersistentVolumeClaim", "x", nil), pvc(map[string]any{"storageClassName": "b"}), "spec",
			plugin.DiffAddReplace},
	} {
		t.Run(name, func(t *testing.T) {
			diff := newProvider(t, nil).diff(t, c.token, c.old, c.new)
			if len(diff.DetailedDiff) != 1 || diff.DetailedDiff[c.path].Kind != c.kind {
				t.Errorf("got %v, want %s: %v", diff.DetailedDiff, c.path, c.kind)
			}
		})
	}
}

func TestAnObjectOfTheSameNameIsDeletedFirst(t *testing.T) {
	p := newProvider(t, nil)
	named := func(name, value string) resource.PropertyMap {
		return object("v1", "ConfigMap", name, map[string]any{"data": map[string]any{"a": value}})
	}
	for name, c := range map[string]struct {
		old, new resource.PropertyMap
		first    bool
	}{
		"same name": {named("x", "1"), named("x", "2"), true},
		"new name":  {named("x", "1"), named("y", "1"), false},
	} {
		if diff := p.diff(t, configMap, c.old, c.new); !diff.Replace() || diff.DeleteBeforeReplace != c.first {
			t.Errorf("%s: got %v", name, diff)
		}
	}
}
