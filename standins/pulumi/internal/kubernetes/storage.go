package kubernetes

import (
	"context"
	"fmt"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// awaitClaim waits until a claim is bound, unless its class binds with the first Pod that mounts it.
func awaitClaim(ctx context.Context, clients *clients, live *unstructured.Unstructured) (finding, error) {
	claim, err := typedAs[core.PersistentVolumeClaim](live)
	if err != nil {
		return finding{}, err
	}
	found := finding{
		ready:  claim.Status.Phase == core.ClaimBound,
		status: fmt.Sprintf("Waiting for PersistentVolumeClaim %q to be bound (%s)", claim.Name, orElse(claim.Status.Phase, core.ClaimPending)),
	}
	if found.ready {
		return found, nil
	}
	if claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "" {
		found.reasons = []string{"it has no storageClassName, and the cluster no default StorageClass that would have given it one"}
		return found, nil
	}
	class, err := clients.typed.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		found.reasons = []string{fmt.Sprintf("the cluster has no StorageClass %q", *claim.Spec.StorageClassName)}
	case err != nil:
		return finding{}, err
	case class.VolumeBindingMode != nil && *class.VolumeBindingMode == storage.VolumeBindingWaitForFirstConsumer:
		found.ready = true
	}
	return found, nil
}

func awaitVolume(_ context.Context, _ *clients, live *unstructured.Unstructured) (finding, error) {
	volume, err := typedAs[core.PersistentVolume](live)
	if err != nil {
		return finding{}, err
	}
	return finding{
		ready:  volume.Status.Phase == core.VolumeAvailable || volume.Status.Phase == core.VolumeBound,
		status: fmt.Sprintf("Waiting for PersistentVolume %q to be available (%s)", volume.Name, volume.Status.Phase),
	}, nil
}

func awaitQuota(_ context.Context, _ *clients, live *unstructured.Unstructured) (finding, error) {
	quota, err := typedAs[core.ResourceQuota](live)
	if err != nil {
		return finding{}, err
	}
	for name, wanted := range quota.Spec.Hard {
		if observed, ok := quota.Status.Hard[name]; !ok || observed.Cmp(wanted) != 0 {
			return finding{status: "Waiting for the ResourceQuota's limits to be in force"}, nil
		}
	}
	return finding{ready: true}, nil
}

// awaitSecret waits for the token in a Secret that asks for one; any other is complete as it is.
func awaitSecret(_ context.Context, _ *clients, live *unstructured.Unstructured) (finding, error) {
	secret, err := typedAs[core.Secret](live)
	if err != nil {
		return finding{}, err
	}
	return finding{
		ready:  secret.Type != core.SecretTypeServiceAccountToken || len(secret.Data[core.ServiceAccountTokenKey]) > 0,
		status: "Waiting for the ServiceAccount's token",
	}, nil
}

// awaitDefinition waits until objects of the new kind can be created.
func awaitDefinition(_ context.Context, _ *clients, live *unstructured.Unstructured) (finding, error) {
	definition, err := typedAs[apiextensions.CustomResourceDefinition](live)
	if err != nil {
		return finding{}, err
	}
	found := finding{status: "Waiting for the API server to serve the kind"}
	for _, condition := range definition.Status.Conditions {
		switch {
		case condition.Type == apiextensions.Established && condition.Status == apiextensions.ConditionTrue:
			found.ready = true
		case condition.Type == apiextensions.NamesAccepted && condition.Status == apiextensions.ConditionFalse:
			found.failed = fmt.Sprintf("its names are taken: [%s] %s", condition.Reason, condition.Message)
		}
	}
	return found, nil
}
