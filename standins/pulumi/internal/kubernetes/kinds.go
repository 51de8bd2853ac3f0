package kubernetes

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
)

// performed are the kinds of the objects that the program and the conformance suite register.
var performed = []schema.GroupVersionKind{
	core.SchemeGroupVersion.WithKind("ConfigMap"),
	core.SchemeGroupVersion.WithKind("Namespace"),
	core.SchemeGroupVersion.WithKind("PersistentVolumeClaim"),
	core.SchemeGroupVersion.WithKind("Secret"),
	core.SchemeGroupVersion.WithKind("ServiceAccount"),
	rbac.SchemeGroupVersion.WithKind("Role"),
	rbac.SchemeGroupVersion.WithKind("RoleBinding"),
}

// known has their types, to check and normalize manifests.
var known = func() *runtime.Scheme {
	types := runtime.NewScheme()
	utilruntime.Must(core.AddToScheme(types))
	utilruntime.Must(rbac.AddToScheme(types))
	return types
}()

// kindOf reads a type token such as kubernetes:core/v1:Secret.
func kindOf(token tokens.Type) (schema.GroupVersionKind, error) {
	group, version, _ := strings.Cut(string(token.Module().Name()), "/")
	if group == "core" {
		group = ""
	}
	kind := schema.GroupVersionKind{Group: group, Version: version, Kind: string(token.Name())}
	if !slices.Contains(performed, kind) {
		return kind, refuse(fmt.Sprintf("resource type %s", token))
	}
	return kind, nil
}

// namespaced says whether objects of a kind are in a namespace.
func namespaced(kind schema.GroupVersionKind) bool { return kind.Kind != "Namespace" }

func keys[V any](m map[string]V) []string {
	sorted := make([]string, 0, len(m))
	for key := range m {
		sorted = append(sorted, key)
	}
	sort.Strings(sorted)
	return sorted
}
