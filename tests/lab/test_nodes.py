"""What goes wrong on a machine that is to become a node: it is told, and taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.driver import Lab, difference
from tests.lab.states import WORKERS

pytestmark = pytest.mark.state("up")
NODE = "node1"
KUBELET = "/srv/mirror/dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Iterator[dict[str, list[str]]]:
    """A further machine in the stack, and what it was like before it was."""
    lab.lab("spares", NODE).succeeded()
    before = lab.snapshot(NODE)
    lab.config(f"hosts.{NODE}.address", WORKERS[NODE])
    lab.up().succeeded()
    yield before
    lab.config(f"hosts.{NODE}", None)
    lab.up().succeeded()
    lab.lab("discard", NODE).succeeded()


def refused_as_worker(lab: Lab) -> str:
    """What `pulumi up` says when the machine cannot become a worker, in one line."""
    lab.config("kubernetes.workers[0]", NODE)
    try:
        output = lab.up().failed().output
    finally:
        lab.config("kubernetes.workers", None)
    assert "Traceback" not in output
    return " ".join(output.split())


@pytest.mark.full
def test_an_unreachable_mirror_is_told(lab: Lab, bare: object) -> None:
    usual = "https://mirror.lab.internal/dl.k8s.io"
    lab.config("mirrors.kubernetes", "https://nowhere.lab.internal/k8s")
    try:
        output = refused_as_worker(lab)
    finally:
        lab.config("mirrors.kubernetes", usual)
    assert f"{NODE} ({WORKERS[NODE]}): download from nowhere.lab.internal" in output
    assert "https://nowhere.lab.internal/k8s/release/v1.36.3/bin/linux/amd64/kubeadm.sha256" in output
    assert "mirrors.kubernetes" in output


@pytest.mark.full
def test_a_taken_port_is_told(lab: Lab, bare: object) -> None:
    lab.on(NODE, "systemd-run --unit squatter systemd-socket-activate --accept -l 10250 /bin/cat").succeeded()
    try:
        output = refused_as_worker(lab)
    finally:
        lab.on(NODE, "systemctl stop squatter").succeeded()
    assert f"{NODE} ({WORKERS[NODE]}): port 10250 found: in use: " in output
    assert "systemd-socket" in output


@pytest.mark.full
def test_too_little_memory_is_told(lab: Lab, bare: object) -> None:
    """The machine is told that it has less: only this file says how much it is."""
    lab.on(NODE, "printf 'MemTotal: 524288 kB\\n' >/run/meminfo && mount --bind /run/meminfo /proc/meminfo").succeeded()
    try:
        output = refused_as_worker(lab)
    finally:
        lab.on(NODE, "umount /proc/meminfo; rm /run/meminfo").succeeded()
    assert f"{NODE} ({WORKERS[NODE]}): memory found: 512 MiB of memory expected: at least 700 MiB" in output


@pytest.mark.full
def test_a_node_of_another_cluster_is_told_and_left_alone(lab: Lab, bare: object) -> None:
    theirs = "/etc/kubernetes/kubelet.conf"
    lab.on(NODE, f"mkdir -p /etc/kubernetes && touch {theirs}").succeeded()
    try:
        output = refused_as_worker(lab)
        lab.on(NODE, f"test -e {theirs}").succeeded()
    finally:
        lab.on(NODE, "rm -r /etc/kubernetes").succeeded()
    told = "Kubernetes found: already a Kubernetes node that this stack did not make"
    assert f"{NODE} ({WORKERS[NODE]}): {told}" in output


def test_a_wrong_checksum_is_told_and_what_had_begun_is_taken_back(lab: Lab, bare: dict[str, list[str]]) -> None:
    """Pulumi does not know a script that never succeeded: the machine itself has to."""
    lab.on("mirror", f"cp -p {KUBELET}.sha256 /root/right && printf '{'0' * 64}' >{KUBELET}.sha256").succeeded()
    try:
        output = refused_as_worker(lab)
    finally:
        lab.on("mirror", f"mv /root/right {KUBELET}.sha256").succeeded()
    assert f"SHA-256 {'0' * 64}, as https://mirror.lab.internal" in output
    lab.on(NODE, "test -e /usr/local/bin/kubelet").failed()
    assert lab.on(NODE, "dpkg-query -W -f '${db:Status-Status}' containerd").succeeded().output == "installed"
    lab.config(f"hosts.{NODE}", None)
    lab.up().succeeded()
    assert difference(bare, lab.snapshot(NODE)) == {}
    lab.config(f"hosts.{NODE}.address", WORKERS[NODE])
    lab.up().succeeded()
