"""The cluster of a stack of this program, for another stack's resources of pulumi-kubernetes."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from .reader import Platform


def provider(
    platform: Platform, name: str = "auto-devops", opts: pulumi.ResourceOptions | None = None
) -> kubernetes.Provider:
    """A provider for the platform's cluster, as its administrator, whose resources outlive a renewed kubeconfig."""
    return kubernetes.Provider(
        name,
        kubeconfig=platform.kubeconfig,
        # Then only another identifier replaces the provider, and all that it made with it. Otherwise a kubeconfig would
        # that has the cluster otherwise, or that a preview does not know. (DiffConfig in pulumi-kubernetes v4.32.0,
        # provider/pkg/provider/provider.go; the same is promised in 4.34.2's pulumi_kubernetes/provider.py. The
        # resources: providerChanged in pulumi v3.259.0, pkg/resource/deploy/step_generator.go.)
        cluster_identifier=platform.kubernetes_endpoint,
        opts=opts,
    )
