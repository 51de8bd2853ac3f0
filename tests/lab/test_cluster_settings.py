"""Settings of a cluster that is there already: they reach what runs, or are refused."""

from __future__ import annotations

import pytest

from tests.lab.driver import DOMAIN, Lab, eventually

pytestmark = pytest.mark.state("up")
UNKNOWN_HOST = f"curl -sS --max-time 5 -w ' %{{http_code}}' http://unknown.k8s.{DOMAIN}/"


def test_a_changed_kubeadm_configuration_reaches_the_running_node(lab: Lab) -> None:
    capacity = "kubectl get node k8s -o jsonpath='{.status.capacity.pods}'"
    command = "kubectl -n kube-system get pod kube-apiserver-k8s -o jsonpath='{.spec.containers[0].command}'"
    assert lab.workstation(capacity) == "110"
    settings = {
        "kubernetes.kubeadm.KubeletConfiguration.maxPods": 77,
        "kubernetes.kubeadm.ClusterConfiguration.apiServer.extraArgs[0].name": "event-ttl",
        "kubernetes.kubeadm.ClusterConfiguration.apiServer.extraArgs[0].value": "2h",
    }
    taken_out = (
        "kubernetes.podCidr",
        "kubernetes.kubeadm.ClusterConfiguration",
        "kubernetes.kubeadm.KubeletConfiguration.maxPods",
    )
    with lab.changed(settings, undo=dict.fromkeys(taken_out)):
        lab.up().succeeded()
        eventually("the kubelet's limit", lambda: lab.on("workstation", capacity).output == "77")
        eventually("the API server's flag", lambda: "--event-ttl=2h" in lab.on("workstation", command).output)
        assert set(lab.up().succeeded().changes) == {"unchanged"}
        lab.config("kubernetes.podCidr", "10.245.0.0/16")
        refused = lab.up().failed()
        assert "podSubnet 10.245.0.0/16 wanted, 10.244.0.0/16 in use" in refused.output
    eventually("the kubelet's limit", lambda: lab.on("workstation", capacity).output == "110")
    eventually("the API server's flags", lambda: "--event-ttl" not in lab.on("workstation", command).output)


@pytest.mark.full
def test_redirected_ports_lead_to_ingress_and_survive_a_reboot(lab: Lab) -> None:
    expected = "default backend - 404 404"
    with lab.changed({"kubernetes.ingressPorts": "redirect"}):
        lab.up().succeeded()
        eventually("ingress", lambda: lab.on("workstation", UNKNOWN_HOST).output == expected)
        assert lab.workstation(UNKNOWN_HOST.replace("http:", "https:")) == expected
        assert ":80" in lab.on("k8s", "ss -Hlnt 'sport = :80'").succeeded().output, "the pod does not have the port"
        lab.lab("restart", "k8s").succeeded()
        eventually("ingress", lambda: lab.on("workstation", UNKNOWN_HOST).output == expected, 90)
        assert set(lab.up().succeeded().changes) == {"unchanged"}
    eventually("ingress", lambda: lab.on("workstation", UNKNOWN_HOST).output == expected)
    assert not lab.on("k8s", "ss -Hlnt 'sport = :80'").succeeded().output
