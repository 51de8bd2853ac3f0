package kubernetes

import (
	"fmt"
	"sort"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// known has the types of Kubernetes' own kinds, to check and normalize manifests of them.
var known = func() *runtime.Scheme {
	types := runtime.NewScheme()
	utilruntime.Must(scheme.AddToScheme(types))
	utilruntime.Must(apiextensions.AddToScheme(types))
	return types
}()

// builtIn says whether an API comes with Kubernetes, rather than from a custom resource definition.
func builtIn(version schema.GroupVersion) bool {
	return known.IsGroupRegistered(version.Group) || version.Group == "apiregistration.k8s.io"
}

// clusterScoped lists Kubernetes' own kinds that have no namespace; needed where no cluster can be asked.
var clusterScoped = func() map[schema.GroupKind]bool {
	kinds := map[schema.GroupKind]bool{}
	for group, names := range map[string]string{
		"": "ComponentStatus Namespace Node PersistentVolume",
		"admissionregistration.k8s.io": "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration " +
			"ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration",
		"apiextensions.k8s.io":         "CustomResourceDefinition",
		"apiregistration.k8s.io":       "APIService",
		"certificates.k8s.io":          "CertificateSigningRequest ClusterTrustBundle",
		"flowcontrol.apiserver.k8s.io": "FlowSchema PriorityLevelConfiguration",
		"networking.k8s.io":            "IngressClass IPAddress ServiceCIDR",
		"node.k8s.io":                  "RuntimeClass",
		"rbac.authorization.k8s.io":    "ClusterRole ClusterRoleBinding",
		"resource.k8s.io":              "DeviceClass DeviceTaintRule ResourceSlice",
		"scheduling.k8s.io":            "PriorityClass",
		"storage.k8s.io":               "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass",
		"storagemigration.k8s.io":      "StorageVersionMigration",
	} {
		for name := range strings.FieldsSeq(names) {
			kinds[schema.GroupKind{Group: group, Kind: name}] = true
		}
	}
	return kinds
}()

// kindOf reads a type token such as kubernetes:apps/v1:Deployment.
func kindOf(token tokens.Type) (schema.GroupVersionKind, error) {
	group, version, ok := strings.Cut(string(token.Module().Name()), "/")
	if !ok {
		return schema.GroupVersionKind{}, fmt.Errorf("%s is not the type of a Kubernetes object: expected kubernetes:<group>/<version>:<Kind>", token)
	}
	if group == "core" {
		group = ""
	}
	return schema.GroupVersionKind{Group: group, Version: version, Kind: string(token.Name())}, nil
}

// notPerformed names what only the official provider does with a type, or is empty.
func notPerformed(kind schema.GroupVersionKind) string {
	if !builtIn(kind.GroupVersion()) {
		if kind.Group == "helm.sh" || kind.Group == "kustomize" || kind.Group == "yaml" {
			return "component"
		}
		return ""
	}
	if known.Recognizes(kind) && !strings.HasSuffix(kind.Kind, "List") {
		return ""
	}
	switch {
	case strings.HasSuffix(kind.Kind, "Patch"):
		return "patch resource"
	case strings.HasSuffix(kind.Kind, "List"):
		return "list resource"
	}
	return ""
}

func keys[V any](m map[string]V) []string {
	sorted := make([]string, 0, len(m))
	for key := range m {
		sorted = append(sorted, key)
	}
	sort.Strings(sorted)
	return sorted
}
