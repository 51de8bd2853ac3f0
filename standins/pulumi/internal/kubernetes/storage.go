package kubernetes

import (
	"context"
	"fmt"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
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
