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

func workload(spec map[string]any, container map[string]any) resource.PropertyMap {
	whole := map[string]any{"name": "web", "image": "nginx:1"}
	for key, value := range container {
		whole[key] = value
	}
	all := map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
		"template": map[string]any{"spec": map[string]any{"containers": []any{whole}}},
	}
	for key, value := range spec {
		all[key] = value
	}
	return object("apps/v1", "Deployment", "x", map[string]any{"spec": all})
}

func TestTheSameSaidDifferentlyIsNoChange(t *testing.T) {
	p := newProvider(t, nil)
	limits := func(cpu any) map[string]any {
		return map[string]any{"resources": map[string]any{"requests": map[string]any{"cpu": cpu, "memory": "1024Mi"}}}
	}
	for name, c := range map[string]struct{ old, new resource.PropertyMap }{
		"quantities":           {workload(nil, limits("0.1")), workload(nil, limits("100m"))},
		"zero values":          {workload(map[string]any{"paused": false}, nil), workload(nil, nil)},
		"no field of the kind": {workload(map[string]any{"replcas": 3}, nil), workload(nil, nil)},
		"the server's fields": {object("v1", "ConfigMap", "x", map[string]any{"metadata": map[string]any{"name": "x", "uid": "u"}}),
			object("v1", "ConfigMap", "x", nil)},
	} {
		token := "kubernetes:apps/v1:Deployment"
		if name == "the server's fields" {
			token = configMap
		}
		if diff := p.diff(t, token, c.old, c.new); diff.Changes != plugin.DiffNone {
			t.Errorf("%s: got %v", name, diff.DetailedDiff)
		}
	}
}

func TestWhatReplaces(t *testing.T) {
	update, replace := plugin.DiffUpdate, plugin.DiffUpdateReplace
	unknown := resource.MakeComputed(resource.NewProperty(""))
	pvc := func(spec map[string]any) resource.PropertyMap {
		return object("v1", "PersistentVolumeClaim", "x", map[string]any{"spec": spec})
	}
	pod := func(image string) resource.PropertyMap {
		return object("v1", "Pod", "x", map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": image}}}})
	}
	data := func(kind, value string, more map[string]any) resource.PropertyMap {
		all := map[string]any{"data": map[string]any{"a": value}}
		for key, extra := range more {
			all[key] = extra
		}
		return object("v1", kind, "x", all)
	}
	mutable := map[string]any{"enableConfigMapMutable": "true", "enableSecretMutable": "true"}
	immutable := map[string]any{"immutable": true}
	for name, c := range map[string]struct {
		config   map[string]any
		token    string
		old, new resource.PropertyMap
		path     string
		kind     plugin.DiffKind
	}{
		"replicas":      {nil, deployment, workload(map[string]any{"replicas": 1}, nil), workload(map[string]any{"replicas": 2}, nil), "spec.replicas", update},
		"image":         {nil, deployment, workload(nil, nil), workload(nil, map[string]any{"image": "nginx:2"}), "spec.template.spec.containers[0].image", update},
		"unknown image": {nil, deployment, workload(nil, nil), workload(nil, map[string]any{"image": unknown}), "spec.template.spec.containers[0].image", update},
		"selector": {nil, deployment, workload(nil, nil), workload(map[string]any{"selector": map[string]any{"matchLabels": map[string]any{"app": "api"}}}, nil),
			"spec.selector.matchLabels.app", replace},
		"name":                 {nil, configMap, object("v1", "ConfigMap", "x", nil), object("v1", "ConfigMap", "y", nil), "metadata.name", replace},
		"ConfigMap":            {nil, configMap, data("ConfigMap", "1", nil), data("ConfigMap", "2", nil), "data.a", replace},
		"ConfigMap, mutable":   {mutable, configMap, data("ConfigMap", "1", nil), data("ConfigMap", "2", nil), "data.a", update},
		"ConfigMap, immutable": {mutable, configMap, data("ConfigMap", "1", immutable), data("ConfigMap", "2", immutable), "data.a", replace},
		"Secret":               {nil, "kubernetes:core/v1:Secret", data("Secret", "MQ==", nil), data("Secret", "Mg==", nil), "data.a", replace},
		"Secret, mutable":      {mutable, "kubernetes:core/v1:Secret", data("Secret", "MQ==", nil), data("Secret", "Mg==", nil), "data.a", update},
		"claim's size": {nil, "kubernetes:core/v1:PersistentVolumeClaim",
			pvc(map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}),
			pvc(map[string]any{"resources": map[string]any{"requests": map[string]any{"storage": "2Gi"}}}), "spec.resources.requests.storage", update},
		"claim's class": {nil, "kubernetes:core/v1:PersistentVolumeClaim", pvc(map[string]any{"storageClassName": "a"}),
			pvc(map[string]any{"storageClassName": "b"}), "spec.storageClassName", replace},
		"claim's whole": {nil, "kubernetes:core/v1:PersistentVolumeClaim", object("v1", "PersistentVolumeClaim", "x", nil),
			pvc(map[string]any{"storageClassName": "b"}), "spec", plugin.DiffAddReplace},
		"Pod's image": {nil, "kubernetes:core/v1:Pod", pod("a"), pod("b"), "spec.containers[0].image", replace},
		"Job's template": {nil, "kubernetes:batch/v1:Job",
			object("batch/v1", "Job", "x", map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"restartPolicy": "Never"}}}}),
			object("batch/v1", "Job", "x", map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"restartPolicy": "OnFailure"}}}}),
			"spec.template.spec.restartPolicy", replace},
		"custom": {nil, middleware, object("traefik.io/v1alpha1", "Middleware", "x", map[string]any{"spec": map[string]any{"a": 1}}),
			object("traefik.io/v1alpha1", "Middleware", "x", map[string]any{"spec": map[string]any{"a": 2}}), "spec.a", update},
	} {
		t.Run(name, func(t *testing.T) {
			diff := newProvider(t, c.config).diff(t, c.token, c.old, c.new)
			if len(diff.DetailedDiff) != 1 || diff.DetailedDiff[c.path].Kind != c.kind {
				t.Errorf("got %v, want %s: %v", diff.DetailedDiff, c.path, c.kind)
			}
		})
	}
}

func TestOnlyAnObjectOfAFixedNameIsDeletedFirst(t *testing.T) {
	p := newProvider(t, nil)
	named := func(name, value string, autonamed bool) resource.PropertyMap {
		metadata := map[string]any{"name": name}
		if autonamed {
			metadata["annotations"] = map[string]any{annotationAutonamed: "true"}
		}
		return object("v1", "ConfigMap", "", map[string]any{"metadata": metadata, "data": map[string]any{"a": value}})
	}
	for name, c := range map[string]struct {
		old, new resource.PropertyMap
		first    bool
	}{
		"fixed name": {named("x", "1", false), named("x", "2", false), true},
		"autonamed":  {named("x", "1", true), named("x", "2", true), false},
		"new name":   {named("x", "1", false), named("y", "1", false), false},
	} {
		if diff := p.diff(t, configMap, c.old, c.new); !diff.Replace() || diff.DeleteBeforeReplace != c.first {
			t.Errorf("%s: got %v", name, diff)
		}
	}
}

func TestANamespaceThatKindsDoNotHaveIsNoChange(t *testing.T) {
	p := newProvider(t, nil)
	with := object("v1", "Namespace", "x", map[string]any{"metadata": map[string]any{"name": "x", "namespace": "default"}})
	if diff := p.diff(t, "kubernetes:core/v1:Namespace", with, object("v1", "Namespace", "x", nil)); diff.Changes != plugin.DiffNone {
		t.Errorf("got %v", diff.DetailedDiff)
	}
}

func TestFieldsThatPulumiCannotSpellComeThrough(t *testing.T) {
	given := object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "x", map[string]any{
		"spec": map[string]any{"schema": map[string]any{"x_kubernetes_preserve_unknown_fields": true}},
	})
	sent, _ := manifest(given)
	spec := sent.Object["spec"].(map[string]any)["schema"].(map[string]any)
	if spec["x-kubernetes-preserve-unknown-fields"] != true {
		t.Errorf("sent %v", spec)
	}
	if back := properties(sent.Object); !back.DeepEquals(given) {
		t.Errorf("came back as %v", back)
	}
}
