"""kubeadm's configuration: what the cluster needs, and over it whatever the settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

import yaml

from names import KUBERNETES_API_PORT
from settings.kubernetes import KubeadmKind, KubernetesSettings

RESOLV_CONF = "/etc/kubelet-resolv.conf"
"""Where each node has its real name servers for its pods (see prepare.sh); never a loopback address."""
KUBEADM = "kubeadm.k8s.io/v1beta4"
API_VERSIONS: dict[KubeadmKind, str] = {
    "InitConfiguration": KUBEADM,
    "JoinConfiguration": KUBEADM,
    "ClusterConfiguration": KUBEADM,
    "KubeletConfiguration": "kubelet.config.k8s.io/v1beta1",
    "KubeProxyConfiguration": "kubeproxy.config.k8s.io/v1alpha1",
}
"""The documents that kubeadm reads, and their versions (kubeadm's reference, Kubernetes 1.31 and newer)."""


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` laid on it: objects key by key, lists of arguments by name, everything else replaced."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        elif value and _are_arguments(below) and _are_arguments(value):
            named = {argument["name"] for argument in value}
            result[key] = [argument for argument in below if argument["name"] not in named] + list(value)
        else:
            result[key] = value
    return result


def _are_arguments(value: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    """Whether `value` is what kubeadm calls extraArgs; a name may stand in it several times."""
    return isinstance(value, list) and all(
        isinstance(item, Mapping) and item.keys() == {"name", "value"} for item in value
    )


def documents(
    parts: Mapping[KubeadmKind, Mapping[str, Any]], overrides: Mapping[KubeadmKind, Mapping[str, Any]]
) -> str:
    """The YAML documents of `parts` (kind to content), each with the overrides of its kind."""
    contents = [
        {"apiVersion": API_VERSIONS[kind], "kind": kind} | merged(content, overrides.get(kind, {}))
        for kind, content in parts.items()
    ]
    return str(yaml.safe_dump_all(contents, sort_keys=True))


def control_plane(name: str, address: str, names: list[str], settings: KubernetesSettings) -> str:
    """The configuration of the first node. `names` are further names in the API server's certificate."""
    overrides = settings.kubeadm
    node: dict[str, Any] = {
        "name": name,
        "criSocket": "unix:///run/containerd/containerd.sock",
        "kubeletExtraArgs": [{"name": "node-ip", "value": address}],
        # Workloads run here too, whatever workers there are: two to four machines are too few to leave one idle.
        "taints": [],
    }
    api_server: dict[str, Any] = {"certSANs": [address, *names]}
    if overrides.get("KubeletConfiguration", {}).get("serverTLSBootstrap", True):
        # kubeadm leaves the kubelets unchecked, to which the API server sends what people type into `kubectl exec`.
        api_server["extraArgs"] = [{"name": "kubelet-certificate-authority", "value": "/etc/kubernetes/pki/ca.crt"}]
    return documents(
        {
            "InitConfiguration": {
                "localAPIEndpoint": {"advertiseAddress": address, "bindPort": KUBERNETES_API_PORT},
                "nodeRegistration": node,
            },
            "ClusterConfiguration": {
                "kubernetesVersion": f"v{settings.version}",
                "controlPlaneEndpoint": f"{address}:{KUBERNETES_API_PORT}",
                "apiServer": api_server,
                "networking": {"podSubnet": settings.pod_cidr, "serviceSubnet": settings.service_cidr},
            },
            # The kubelet's own certificate comes from the cluster's CA, not from itself (see approve-kubelets.sh).
            "KubeletConfiguration": {
                "cgroupDriver": "systemd",
                "serverTLSBootstrap": True,
                # One path for all nodes, whatever resolver each has: kubeadm would take the first node's for all.
                "resolvConf": RESOLV_CONF,
            },
            "KubeProxyConfiguration": {"clusterCIDR": settings.pod_cidr},
        },
        overrides,
    )


def worker(
    *,
    name: str,
    address: str,
    endpoint: str,
    token: str,
    ca_hash: str,
    overrides: Mapping[KubeadmKind, Mapping[str, Any]],
) -> str:
    """The configuration of a node that joins. `ca_hash` pins the cluster's CA, so the token alone is no trust."""
    return documents(
        {
            "JoinConfiguration": {
                "discovery": {
                    "bootstrapToken": {"apiServerEndpoint": endpoint, "token": token, "caCertHashes": [ca_hash]}
                },
                "nodeRegistration": {
                    "name": name,
                    "criSocket": "unix:///run/containerd/containerd.sock",
                    "kubeletExtraArgs": [{"name": "node-ip", "value": address}],
                },
            }
        },
        overrides,
    )
