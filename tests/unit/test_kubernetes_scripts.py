"""The nodes' scripts, run here: every path of the machine that they name is one below the test's directory."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from components.k8s_node.k8s_node import SCRIPTS
from tests.unit.scripts import LIBRARY, Machine

PATHS = re.compile(r"(?<![\w./$}-])/(?=(etc|var|usr/local|opt|run|root|proc|sys)/)")
QUIET = ("systemctl", "journalctl", "sleep", "findmnt", "ip", "modprobe", "sysctl")
FOREIGN = "a Kubernetes node that this stack did not make"


class Node(Machine):
    """A machine whose root is `root`; what our stack remembers there is in `state`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in QUIET:
            self.fake(name, "true")
        for tables in ("iptables", "ip6tables"):
            self.fake(f"{tables}-save", "true")
        self.state = self.root / "var/lib/auto-devops"
        self.state.mkdir(parents=True)
        self.files({"programs.sh": self.moved(SCRIPTS / "programs.sh"), "kubeadm.yaml": "kubernetesVersion: v1\n"})
        self.variables |= {"VERSION": "1.36.3", "KUBERNETES_URL": "https://mirror.example"}

    def moved(self, script: Path) -> str:
        return PATHS.sub(f"{self.root}/", script.read_text())

    def step(self, name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script of the component."""
        copy = self.root / "tmp" / f"{name}.sh"
        copy.write_text(self.moved(LIBRARY) + self.moved(SCRIPTS / f"{name}.sh"))
        return self.run(copy, **variables)

    def write(self, path: str, text: str = "") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def called(self, start: str) -> bool:
        return any(call.startswith(start) for call in self.calls)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


def admin_conf(node: Node) -> str:
    """kubeadm init, as far as the scripts see it."""
    return f"mkdir -p {node.root}/etc/kubernetes && echo the-kubeconfig >{node.root}/etc/kubernetes/admin.conf"


@pytest.mark.parametrize(("step", "file"), [("init", "manifests/kube-apiserver.yaml"), ("join", "kubelet.conf")])
def test_a_cluster_of_someone_else_is_left_alone(node: Node, step: str, file: str) -> None:
    node.fake("kubeadm", "true")
    theirs = node.write(f"etc/kubernetes/{file}")
    result = node.step(step)
    assert result.returncode == 1
    assert FOREIGN in result.stderr
    assert "kubeadm reset" in result.stderr
    assert theirs.exists()
    assert not node.called("kubeadm")


@pytest.mark.parametrize("step", ["reset", "unprepare"])
def test_a_refused_node_survives_the_removal(node: Node, step: str) -> None:
    """What a script began is taken back even where its first run failed."""
    for program in ("kubeadm", "dpkg-query"):
        node.fake(program, "true")
    theirs = [node.write(path) for path in ("etc/kubernetes/kubelet.conf", "var/lib/etcd/data")]
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert all(file.exists() for file in theirs)
    assert not node.called("kubeadm") and not node.called("systemctl")


def test_nothing_is_prepared_on_a_node_of_someone_else(node: Node) -> None:
    node.write("etc/kubernetes/kubelet.conf")
    result = node.step("prepare", MINIMUM_MEMORY="1", PORTS="", ALLOW_SWAP="yes")
    assert result.returncode == 1
    assert FOREIGN in result.stderr
    assert not list(node.state.iterdir())


@pytest.mark.parametrize("step", ["init", "join"])
def test_an_interrupted_beginning_of_ours_is_begun_anew(node: Node, step: str) -> None:
    node.fake("kubeadm", f'if [ "$1" = {step} ]; then exit 1; fi')
    assert node.step(step).returncode == 1
    assert (node.state / "kubernetes-begun").exists()
    for file in ("kubelet.conf", "manifests/kube-apiserver.yaml"):
        node.write(f"etc/kubernetes/{file}")
    node.fake("kubeadm", f'case $1 in {step}) {admin_conf(node)} ;; esac')
    node.fake("kubectl", "true")
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert node.called("kubeadm reset")
    assert not (node.root / "etc/kubernetes/manifests").exists()
    assert (node.state / "kubernetes-initialised").exists()


@pytest.mark.parametrize("step", ["init", "join"])
def test_a_node_of_an_earlier_version_of_the_stack_goes_on(node: Node, step: str) -> None:
    """It has no mark of a beginning. And whether its API server answers is none of init.sh's business: configure.sh's."""
    node.fake("kubeadm", "false")
    node.fake("kubectl", "false")
    node.write("var/lib/auto-devops/kubernetes-initialised")
    for file in ("kubelet.conf", "manifests/kube-apiserver.yaml"):
        node.write(f"etc/kubernetes/{file}")
    node.write("etc/kubernetes/admin.conf", "the-kubeconfig\n")
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert result.stdout == ("the-kubeconfig\n" if step == "init" else "")
    assert not node.calls
    assert (node.root / "etc/kubernetes/kubelet.conf").exists()


def test_reset_takes_back_all_of_a_node_of_ours(node: Node) -> None:
    node.fake("kubeadm", "true")
    marks = [node.write(f"var/lib/auto-devops/kubernetes-{name}") for name in ("begun", "initialised", "configuration")]
    node.write("etc/kubernetes/kubelet.conf")
    result = node.step("reset")
    assert result.returncode == 0, result.stderr
    assert node.called("kubeadm reset")
    for path in [*marks, node.root / "etc/kubernetes"]:
        assert not path.exists(), path
