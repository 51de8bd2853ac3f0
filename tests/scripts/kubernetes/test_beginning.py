"""How a machine becomes a node and ceases to be one; those of other people are left alone."""

from __future__ import annotations

import pytest

from tests.scripts.kubernetes.node import FOREIGN, Node


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


@pytest.mark.parametrize("step", ["init", "join"])
def test_an_interrupted_beginning_of_ours_is_begun_anew(node: Node, step: str) -> None:
    node.fake("kubeadm", f'if [ "$1" = {step} ]; then exit 1; fi')
    node.write("var/lib/auto-devops/kubernetes-directories", f"{node.root}/etc/kubernetes\n")
    assert node.step(step).returncode == 1
    assert (node.state / "kubernetes-begun").exists()
    for file in ("kubelet.conf", "manifests/kube-apiserver.yaml"):
        node.write(f"etc/kubernetes/{file}")
    node.fake("kubeadm", f"case $1 in {step}) {admin_conf(node)} ;; esac")
    node.fake("kubectl", "true")
    result = node.step(step)
    assert result.returncode == 0, result.stderr
    assert node.called("kubeadm reset")
    assert not (node.root / "etc/kubernetes/manifests").exists()
    assert (node.state / "kubernetes-initialised").exists()


@pytest.mark.parametrize("step", ["init", "join"])
def test_a_node_of_an_earlier_version_of_the_stack_goes_on(node: Node, step: str) -> None:
    """It has no mark of a beginning. Whether its API server answers is configure.sh's business."""
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
    node.write("var/lib/auto-devops/kubernetes-directories", f"{node.root}/etc/kubernetes\n")
    result = node.step("reset")
    assert result.returncode == 0, result.stderr
    assert node.called("kubeadm reset")
    for path in [*marks, node.root / "etc/kubernetes"]:
        assert not path.exists(), path


def test_volumes_go_with_the_node(node: Node) -> None:
    node.fake("kubeadm", "true")
    volume = node.write("var/lib/auto-devops-volumes/pvc-1/data")
    node.write("var/lib/auto-devops/kubernetes-begun")
    assert node.step("reset").returncode == 0
    assert not volume.parents[1].exists()


def test_a_containerd_that_stays_is_as_it_was(node: Node) -> None:
    """What its namespace had before us stays, also an image of ours that it had already."""
    node.write("var/lib/dpkg/status")
    node.write("var/lib/auto-devops/kubernetes-containerd", "images theirs:1\ncontainers abc\n")
    node.fake("dpkg-query", "printf installed")
    node.fake(
        "ctr",
        'case "$*" in *"images ls"*) printf "theirs:1\\nours:1\\n" ;; *"containers ls"*) printf "abc\\ndef\\n" ;; esac',
    )
    result = node.step("unprepare")
    assert result.returncode == 0, result.stderr
    assert node.called("ctr -n k8s.io images rm ours:1")
    assert node.called("ctr -n k8s.io containers rm def")
    assert not [call for call in node.calls if " rm " in call and ("theirs" in call or "abc" in call)]
    assert not (node.state / "kubernetes-containerd").exists()


@pytest.mark.parametrize(
    ("installed", "ctr", "kept"),
    [
        ("", "false", ""),
        ("installed", "echo theirs", "images theirs\ncontainers theirs\n"),
        ("installed", "false", None),
    ],
)
def test_what_containerd_has_before_us_is_remembered(node: Node, installed: str, ctr: str, kept: str | None) -> None:
    node.write("proc/meminfo", "MemTotal: 4000000 kB\n")
    node.write("proc/swaps")
    node.fake("dpkg-query", f"printf '{installed}'")
    node.fake("ctr", ctr)
    node.fake("sysctl", "false")  # Far enough.
    variables = {"MINIMUM_MEMORY": "1", "PORTS": "", "ALLOW_SWAP": "yes"}
    assert node.step("prepare", **variables).returncode == 1
    assert node.called("sysctl")
    record = node.state / "kubernetes-containerd"
    assert (record.read_text() if record.exists() else None) == kept


def test_a_containerd_of_which_nothing_is_known_is_left_alone(node: Node) -> None:
    """A machine that an earlier version of the stack prepared."""
    node.fake("dpkg-query", "printf installed")
    node.fake("ctr", "echo theirs:1")
    assert node.step("unprepare").returncode == 0
    assert not node.called("ctr")
