"""Wrong settings of the cluster."""

from __future__ import annotations

import pytest

import settings
from tests.unit.settings_cases import Bad, Config, put, require_named

# What is done to good settings; the key that must be named; words of what is expected; words of the fix.
BAD: dict[str, Bad] = {
    "pods' network by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.networking.podSubnet", "10.0.0.0/16"),
        "kubernetes.kubeadm.ClusterConfiguration.networking.podSubnet",
        "kubernetes.podCidr",
        "config set --path auto-devops:kubernetes.podCidr",
    ),
    "services' network by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.networking.serviceSubnet", "10.0.0.0/16"),
        "kubernetes.kubeadm.ClusterConfiguration.networking.serviceSubnet",
        "kubernetes.serviceCidr",
        "kubernetes.serviceCidr",
    ),
    "pods' network of kube-proxy": (
        put("kubernetes.kubeadm.KubeProxyConfiguration.clusterCIDR", "10.0.0.0/16"),
        "kubernetes.kubeadm.KubeProxyConfiguration.clusterCIDR",
        "kubernetes.podCidr",
        "kubernetes.podCidr",
    ),
    "version by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.kubernetesVersion", "v1.30.0"),
        "kubernetes.kubeadm.ClusterConfiguration.kubernetesVersion",
        "kubernetes.version",
        "kubernetes.version",
    ),
    "address by kubeadm's own key": (
        put("kubernetes.kubeadm.ClusterConfiguration.controlPlaneEndpoint", "k8s:6443"),
        "kubernetes.kubeadm.ClusterConfiguration.controlPlaneEndpoint",
        "hosts.k8s.address",
        "hosts.k8s.address",
    ),
    "another port of the API server": (
        put("kubernetes.kubeadm.InitConfiguration.localAPIEndpoint.bindPort", 443),
        "kubernetes.kubeadm.InitConfiguration.localAPIEndpoint.bindPort",
        "6443",
        "config rm",
    ),
    "another name of the node": (
        put("kubernetes.kubeadm.JoinConfiguration.nodeRegistration.name", "one"),
        "kubernetes.kubeadm.JoinConfiguration.nodeRegistration.name",
        "name of its machine",
        "config rm",
    ),
    "another directory of certificates": (
        put("kubernetes.kubeadm.ClusterConfiguration.certificatesDir", "/srv/pki"),
        "kubernetes.kubeadm.ClusterConfiguration.certificatesDir",
        "own directory",
        "config rm",
    ),
    "checks of kubeadm that are no list": (
        put("kubernetes.kubeadm.InitConfiguration.nodeRegistration.ignorePreflightErrors", "Swap"),
        "kubernetes.kubeadm.InitConfiguration.nodeRegistration.ignorePreflightErrors",
        "a list",
        "ignorePreflightErrors[0]' Swap",
    ),
    "checks of kubeadm that are no names": (
        put("kubernetes.kubeadm.JoinConfiguration.nodeRegistration.ignorePreflightErrors", [3]),
        "kubernetes.kubeadm.JoinConfiguration.nodeRegistration.ignorePreflightErrors",
        "a list",
        "ignorePreflightErrors[0]' Swap",
    ),
    "a part of kubeadm's configuration that is no object": (
        put("kubernetes.kubeadm.InitConfiguration.nodeRegistration", "k8s"),
        "kubernetes.kubeadm.InitConfiguration.nodeRegistration",
        "an object",
        "config rm",
    ),
    "services and pods on one network": (
        put("kubernetes.serviceCidr", "10.244.128.0/20"),
        "kubernetes.serviceCidr",
        "apart from kubernetes.podCidr, which is 10.244.0.0/16",
        "kubernetes.serviceCidr",
    ),
    "pods on the machines' network": (
        put("kubernetes.podCidr", "192.168.0.0/16"),
        "kubernetes.podCidr",
        "hosts.k8s.address is 192.168.80.96",
        "kubernetes.podCidr",
    ),
    "services on the machines' network": (
        put("kubernetes.serviceCidr", "192.168.80.0/24"),
        "kubernetes.serviceCidr",
        "hosts.dns.address is 192.168.80.110",
        "kubernetes.serviceCidr",
    ),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_setting_is_named_with_its_fix(good: Config, kind: str) -> None:
    require_named(good, BAD[kind])


def test_workers_and_kubeadms_configuration_are_accepted(good: Config) -> None:
    """What has no other role, and no setting of its own."""
    put("kubernetes.workers", ["dns"])(good)
    for kind in ("InitConfiguration", "JoinConfiguration"):
        put(f"kubernetes.kubeadm.{kind}.nodeRegistration.ignorePreflightErrors", ["Swap"])(good)
    put("kubernetes.kubeadm.ClusterConfiguration.networking.dnsDomain", "c.local")(good)
    put("kubernetes.podCidr", "fd00:1::/56")(good)
    assert settings.parse(good).kubernetes.workers == ["dns"]
