"""The cluster.

Owns the section `kubernetes`, its networks, and what kubeadm's configuration may not say because a setting does. Does
not own which machines are its nodes: see `placement.py`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from names import KUBERNETES_API_PORT as API_PORT
from settings.kinds import Image, Network, Section, Version
from settings.machines import Hosts
from settings.problems import Problem, Report, remove_command, set_command, shape, shown

# Of kubeadm's configuration, what the rest of the platform knows otherwise: the setting to use, or why there is none.
KUBEADM_SETTINGS = {
    "ClusterConfiguration.kubernetesVersion": "kubernetes.version",
    "ClusterConfiguration.networking.podSubnet": "kubernetes.podCidr",
    "ClusterConfiguration.networking.serviceSubnet": "kubernetes.serviceCidr",
    "ClusterConfiguration.controlPlaneEndpoint": "hosts.{host}.address",
    "KubeProxyConfiguration.clusterCIDR": "kubernetes.podCidr",
}
KUBEADM_CONSTANTS = {
    "ClusterConfiguration.certificatesDir": "certificates are renewed in kubeadm's own directory",
    "InitConfiguration.localAPIEndpoint.bindPort": f"everyone is told that the API server has port {API_PORT}",
    "InitConfiguration.nodeRegistration.name": "a node has the name of its machine under hosts",
    "JoinConfiguration.nodeRegistration.name": "a node has the name of its machine under hosts",
}
KUBEADM_LISTS = (
    "InitConfiguration.nodeRegistration.ignorePreflightErrors",
    "JoinConfiguration.nodeRegistration.ignorePreflightErrors",
)


class KubernetesImages(Section):
    """The images of the cluster's own services; kubeadm names those of the control plane itself."""

    traefik: Image = Field("docker.io/library/traefik:v3.7.15", description="ingress")
    default_backend: Image = Field("registry.k8s.io/defaultbackend-amd64:1.5", description="answers for unknown hosts")
    local_path_provisioner: Image = Field(
        "docker.io/rancher/local-path-provisioner:v0.0.30", description="volumes on the node's disk"
    )
    busybox: Image = Field("docker.io/library/busybox:1.35.0", description="makes a volume's directory")
    metrics_server: Image = Field("registry.k8s.io/metrics-server/metrics-server:v0.9.0", description="for kubectl top")


KubeadmKind = Literal[
    "InitConfiguration",
    "JoinConfiguration",
    "ClusterConfiguration",
    "KubeletConfiguration",
    "KubeProxyConfiguration",
]


class KubernetesSettings(Section):
    """The Kubernetes cluster."""

    host: str | None = Field(None, description="the machine of the control plane", examples=["k8s"])
    workers: list[str] = Field(default_factory=list, description="further machines that join", examples=['["worker"]'])
    version: Version = Field("1.36.3", description="the version of Kubernetes", examples=["1.36.3"])
    cni_version: Version = Field("1.9.1", description="the version of the CNI plugins", examples=["1.9.1"])
    pod_cidr: Network = Field("10.244.0.0/16", description="the pods' network", examples=["10.244.0.0/16"])
    service_cidr: Network = Field("10.96.0.0/12", description="the services' network", examples=["10.96.0.0/12"])
    ingress_ports: Literal["host", "redirect", "nodePort"] = Field(
        "host",
        description="how ports 80 and 443 of the node reach ingress: host, as ports of its pod; redirect, through node "
        "ports 30080 and 30443; nodePort, not at all: your own load balancer asks those",
    )
    images: KubernetesImages = Field(
        default_factory=lambda: KubernetesImages.model_validate({}), description="the images, with their upstream names"
    )
    kubeadm: dict[KubeadmKind, dict[str, Any]] = Field(
        default_factory=dict, description="by kind, what is laid over kubeadm's configuration"
    )
    containerd: dict[str, Any] = Field(default_factory=dict, description="further keys of containerd's CRI plugin")


def check(kubernetes: KubernetesSettings, hosts: Hosts, report: Report) -> None:
    """kubeadm's configuration says nothing that a setting says; no network has an address of someone else's."""
    _kubeadm(kubernetes, report)
    if kubernetes.host:
        _networks(kubernetes, hosts, report)


def _kubeadm(kubernetes: KubernetesSettings, report: Report) -> None:
    """What would go wrong without a word, as kubeadm takes it and the rest of the platform does not."""

    def given(path: str) -> object:
        """The value at `path`, None if there is none; an object's place with something else in it is told."""
        value: object = kubernetes.kubeadm
        walked = "kubernetes.kubeadm"
        for part in path.split("."):
            if value is None:
                return None
            if not isinstance(value, Mapping):
                report(Problem(walked, shape(value), "an object with keys of its own", remove_command(walked)))
                return None
            value, walked = value.get(part), f"{walked}.{part}"
        return value

    for path, setting in KUBEADM_SETTINGS.items():
        key, value = f"kubernetes.kubeadm.{path}", given(path)
        if value is not None:
            named = setting.format(host=kubernetes.host or "NAME")
            fix = f"{remove_command(key)}; {set_command(named)}"
            report(Problem(key, shape(value), f"nothing: it is what {named} says", fix))
    for path, reason in KUBEADM_CONSTANTS.items():
        key, value = f"kubernetes.kubeadm.{path}", given(path)
        if value is not None:
            report(Problem(key, shape(value), f"nothing: {reason}", remove_command(key)))
    for path in KUBEADM_LISTS:
        key, value = f"kubernetes.kubeadm.{path}", given(path)
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            fix = f"{remove_command(key)} && {set_command(f'{key}[0]', 'Swap')}"
            report(Problem(key, shape(value), "a list of the names of checks, such as [Swap]", fix))


def _networks(kubernetes: KubernetesSettings, hosts: Hosts, report: Report) -> None:
    """An address of a pod or service may not be anyone else's: who has it could not be reached."""
    pods, services = ipaddress.ip_network(kubernetes.pod_cidr), ipaddress.ip_network(kubernetes.service_cidr)
    if pods.overlaps(services):
        key, expected = "kubernetes.serviceCidr", f"a network apart from kubernetes.podCidr, which is {pods}"
        report(Problem(key, shown(str(services)), expected, set_command(key, "NETWORK")))
    for key, network in {"kubernetes.podCidr": pods, "kubernetes.serviceCidr": services}.items():
        for name, host in hosts.items():
            if host and ipaddress.ip_address(host.address) in network:
                expected = f"a network without the machines' addresses; hosts.{name}.address is {host.address}"
                report(Problem(key, shown(str(network)), expected, set_command(key, "NETWORK")))
