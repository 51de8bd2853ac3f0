"""A Kubernetes cluster made by kubeadm on hosts."""

from components.k8s_node.k8s_node import K8sNode, K8sNodeArgs, Mirrors

__all__ = ["K8sNode", "K8sNodeArgs", "Mirrors"]
