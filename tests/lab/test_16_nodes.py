"""More nodes, changed nodes, other ways to ingress: and what goes wrong on a machine that is to become a node."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.lab.driver import DOMAIN, Lab, difference, eventually

BASE = f"k8s.{DOMAIN}"
WORKERS = ("node1", "node2")
KUBELET = "/srv/mirror/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
UNKNOWN_HOST = f"curl -sS --max-time 5 -w ' %{{http_code}}' http://unknown.{BASE}/"


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Iterator[dict[str, dict[str, list[str]]]]:
    """Two further machines in the stack, and what they were like before they were."""
    lab.lab("spares", *WORKERS).succeeded()
    before = {worker: lab.snapshot(worker) for worker in WORKERS}
    for number, worker in enumerate(WORKERS, start=31):
        lab.config(f"hosts.{worker}.address", f"10.77.0.{number}")
    lab.up().succeeded()
    yield before
    lab.lab("discard", *WORKERS).succeeded()


def refused_as_worker(lab: Lab) -> str:
    """What `pulumi up` says when node1 cannot become a worker."""
    lab.config("kubernetes.workers[0]", "node1")
    try:
        output = lab.up().failed().output
    finally:
        lab.config("kubernetes.workers", None)
    assert "Traceback" not in output
    return output


def test_an_unreachable_mirror_is_told(lab: Lab, bare: object) -> None:
    usual = "https://mirror.lab.internal/dl.k8s.io"
    lab.config("mirrors.kubernetes", "https://nowhere.lab.internal/k8s")
    try:
        output = refused_as_worker(lab)
    finally:
        lab.config("mirrors.kubernetes", usual)
    assert "error on node1: https://nowhere.lab.internal/k8s/release/v1.36.3/bin/linux/amd64/kubeadm.sha256" in output
    assert "mirrors.kubernetes" in output


def test_a_wrong_checksum_is_told_and_nothing_is_installed(lab: Lab, bare: object) -> None:
    lab.on("mirror", f"cp -p {KUBELET}.sha256 /root/right && printf '{'0' * 64}' >{KUBELET}.sha256").succeeded()
    try:
        output = refused_as_worker(lab)
    finally:
        lab.on("mirror", f"mv /root/right {KUBELET}.sha256").succeeded()
    assert f"SHA-256 {'0' * 64}, as https://mirror.lab.internal" in output
    lab.on("node1", "test -e /usr/local/bin/kubelet").failed()


def test_what_a_failed_first_run_began_is_taken_back(lab: Lab, bare: dict[str, dict[str, list[str]]]) -> None:
    """Pulumi does not know a script that never succeeded: the machine itself has to."""
    assert lab.on("node1", "dpkg-query -W -f '${db:Status-Status}' containerd").succeeded().output == "installed"
    lab.config("hosts.node1", None)
    lab.up().succeeded()
    assert difference(bare["node1"], lab.snapshot("node1")) == {}
    lab.config("hosts.node1.address", "10.77.0.31")
    lab.up().succeeded()


def test_a_taken_port_is_told(lab: Lab, bare: object) -> None:
    lab.on("node1", "systemd-run --unit squatter systemd-socket-activate -l 10250 /bin/cat").succeeded()
    try:
        output = refused_as_worker(lab)
    finally:
        lab.on("node1", "systemctl stop squatter").succeeded()
    assert "error on node1: port 10250 in use" in output
    assert "systemd-socket" in output


def test_too_little_memory_is_told(lab: Lab, bare: object) -> None:
    """The machine is told that it has less: only this file says how much it is."""
    lab.on(
        "node1", "printf 'MemTotal: 524288 kB\\n' >/run/meminfo && mount --bind /run/meminfo /proc/meminfo"
    ).succeeded()
    try:
        output = refused_as_worker(lab)
    finally:
        lab.on("node1", "umount /proc/meminfo; rm /run/meminfo").succeeded()
    assert "error on node1: 512 MiB of memory" in output
    assert "at least 700 MiB" in output


def test_a_node_of_another_cluster_is_told_and_left_alone(lab: Lab, bare: object) -> None:
    theirs = "/etc/kubernetes/kubelet.conf"
    lab.on("node1", f"mkdir -p /etc/kubernetes && touch {theirs}").succeeded()
    try:
        output = refused_as_worker(lab)
        lab.on("node1", f"test -e {theirs}").succeeded()
    finally:
        lab.on("node1", "rm -r /etc/kubernetes").succeeded()
    assert "error on node1: already a Kubernetes node that this stack did not make" in output


def test_two_workers_join_at_once_and_leave_without_a_trace(lab: Lab, bare: dict[str, dict[str, list[str]]]) -> None:
    lab.up().succeeded()
    for index, worker in enumerate(WORKERS):
        lab.config(f"kubernetes.workers[{index}]", worker)
    try:
        lab.up().succeeded()
        nodes = lab.workstation("kubectl get nodes --no-headers")
        assert nodes.count(" Ready ") == 3
        assert set(lab.up().succeeded().changes) == {"unchanged"}
        image = lab.workstation(
            "kubectl -n kube-system get daemonset kube-proxy -o jsonpath='{.spec.template.spec.containers[0].image}'"
        )
        for worker in WORKERS:
            override = json.dumps({"spec": {"nodeName": worker}})
            lab.workstation(f"kubectl run on-{worker} --image={image} --overrides='{override}' --command -- sleep 600")
        lab.workstation("kubectl wait --for=condition=Ready pod/on-node1 pod/on-node2 --timeout=90s")
        for here, there in (WORKERS, WORKERS[::-1]):
            address = lab.workstation(f"kubectl get pod on-{there} -o jsonpath='{{.status.podIP}}'")
            # A port that is closed answers; a network that leads nowhere does not.
            asks = f"bash -c 'echo >/dev/tcp/{address}/9' 2>&1"
            assert "refused" in lab.on("workstation", f"kubectl exec on-{here} -- {asks}").output
            name = "kubernetes.default.svc.cluster.local"
            assert name in lab.workstation(f"kubectl exec on-{here} -- getent hosts {name}")
        lab.workstation("kubectl delete pod on-node1 on-node2 --now")
    finally:
        lab.config("kubernetes.workers", None)
        for worker in WORKERS:
            lab.config(f"hosts.{worker}", None)
        lab.up().succeeded()
    assert lab.workstation("kubectl get nodes --no-headers").count("\n") == 1
    assert " via " not in lab.on("k8s", "ip route show to root 10.244.0.0/16").succeeded().output, "no way to them"
    for worker in WORKERS:
        assert difference(bare[worker], lab.snapshot(worker)) == {}


def test_a_changed_kubeadm_configuration_reaches_the_running_node(lab: Lab) -> None:
    capacity = "kubectl get node k8s -o jsonpath='{.status.capacity.pods}'"
    command = "kubectl -n kube-system get pod kube-apiserver-k8s -o jsonpath='{.spec.containers[0].command}'"
    assert lab.workstation(capacity) == "110"
    lab.config("kubernetes.kubeadm.KubeletConfiguration.maxPods", 77)
    for key, value in (("name", "event-ttl"), ("value", "2h")):
        lab.config(f"kubernetes.kubeadm.ClusterConfiguration.apiServer.extraArgs[0].{key}", value)
    try:
        lab.up().succeeded()
        eventually("the kubelet's limit", lambda: lab.on("workstation", capacity).output == "77")
        eventually("the API server's flag", lambda: "--event-ttl=2h" in lab.on("workstation", command).output)
        assert set(lab.up().succeeded().changes) == {"unchanged"}
        lab.config("kubernetes.podCidr", "10.245.0.0/16")
        refused = lab.up().failed()
        assert "podSubnet 10.245.0.0/16 wanted, 10.244.0.0/16 in use" in refused.output
    finally:
        lab.config("kubernetes.podCidr", None)
        lab.config("kubernetes.kubeadm.ClusterConfiguration", None)
        lab.config("kubernetes.kubeadm.KubeletConfiguration.maxPods", None)
        lab.up().succeeded()
    eventually("the kubelet's limit", lambda: lab.on("workstation", capacity).output == "110")
    eventually("the API server's flags", lambda: "--event-ttl" not in lab.on("workstation", command).output)


def test_redirected_ports_lead_to_ingress_and_survive_a_reboot(lab: Lab) -> None:
    expected = "default backend - 404 404"
    lab.config("kubernetes.ingressPorts", "redirect")
    try:
        lab.up().succeeded()
        eventually("ingress", lambda: lab.on("workstation", UNKNOWN_HOST).output == expected)
        assert lab.workstation(UNKNOWN_HOST.replace("http:", "https:")) == expected
        assert ":80" in lab.on("k8s", "ss -Hlnt 'sport = :80'").succeeded().output, "the pod does not have the port"
        lab.lab("restart", "k8s").succeeded()
        eventually("ingress", lambda: lab.on("workstation", UNKNOWN_HOST).output == expected, 90)
        assert set(lab.up().succeeded().changes) == {"unchanged"}
    finally:
        lab.config("kubernetes.ingressPorts", None)
        lab.up().succeeded()
    eventually("ingress", lambda: lab.on("workstation", UNKNOWN_HOST).output == expected)
    assert not lab.on("k8s", "ss -Hlnt 'sport = :80'").succeeded().output
