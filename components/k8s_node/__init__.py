"""A Kubernetes cluster made by kubeadm on hosts."""

from components.k8s_node.k8s_node import ClusterAccess, K8sNode, K8sNodeArgs
from components.k8s_node.nodes import check

__all__ = ["ClusterAccess", "K8sNode", "K8sNodeArgs", "check"]
