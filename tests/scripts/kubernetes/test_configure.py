"""A changed configuration of the control plane, and one that kills the API server."""

from __future__ import annotations

import pytest

from tests.scripts.kubernetes.node import Node

CONFIGURE = {"ROLE": "control-plane", "CONFIGURATION": ""}
PHASES = ["certs apiserver", "control-plane all", "etcd local", "upload-config all", "addon kube-proxy"]


def configured_node(node: Node) -> Node:
    """A node that runs its configuration. `bad: yes` in it kills the API server; each manifest is the configuration."""
    manifests, kubelet = node.root / "etc/kubernetes/manifests", node.root / "usr/local/bin/kubelet"
    node.write("etc/kubernetes/manifests/kube-apiserver.yaml", "replicas: old\n")
    node.write("etc/kubernetes/manifests/etcd.yaml")
    node.write("usr/local/bin/kubelet", "#!/bin/sh\necho Kubernetes v1\n")
    kubelet.chmod(0o755)
    node.fake(
        "kubeadm",
        f"""for file; do true; done
        case "$*" in *"control-plane all"*) cp "$file" {manifests}/kube-apiserver.yaml ;; esac""",
    )
    alive = f"! grep -q 'bad: yes' {manifests}/kube-apiserver.yaml"
    node.fake("kubectl", f'case "$*" in *readyz*) {alive} ;; esac')
    # Another manifest, another process.
    node.fake("ss", f'echo "users:((\\"x\\",pid=$(cksum <{manifests}/kube-apiserver.yaml | cut -d" " -f1),fd=3))"')
    node.fake("curl", "true")
    node.fake("hostname", "echo n1")
    node.files({"kubeadm.yaml": "replicas: old\n"})
    assert node.step("configure", **CONFIGURE).returncode == 0
    assert not node.called("kubeadm")
    return node


def phases(node: Node) -> list[str]:
    made = [call.split(" --")[0].removeprefix("kubeadm init phase ") for call in node.calls]
    return [call for call in made if call in PHASES]


def test_the_new_api_server_runs_before_it_is_told_its_configuration(node: Node) -> None:
    configured_node(node).files({"kubeadm.yaml": "replicas: new\n"})
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 0, result.stderr
    assert sorted(phases(node)) == sorted(PHASES)
    calls = node.calls
    ready = max(index for index, call in enumerate(calls) if "readyz" in call)
    uploaded = next(index for index, call in enumerate(calls) if "upload-config" in call)
    made = max(index for index, call in enumerate(calls) if "etcd local" in call)
    assert made < ready < uploaded
    assert (node.state / "kubernetes-configuration").read_text() == "replicas: new\n"
    before = len(node.calls)
    assert node.step("configure", **CONFIGURE).returncode == 0
    assert len(node.calls) == before, "nothing is left to do"


def test_an_api_server_that_stays_the_old_one_is_not_taken_for_the_new(node: Node) -> None:
    configured_node(node).files({"kubeadm.yaml": "replicas: new\n"})
    node.fake("ss", 'echo "users:((\\"x\\",pid=7,fd=3))"')
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 1
    assert not [phase for phase in phases(node) if phase.startswith("upload")]


def test_a_configuration_that_kills_the_api_server_is_taken_back(node: Node) -> None:
    """For who takes the setting back, nothing differs from what the stack remembers: no script would run again."""
    configured_node(node).files({"kubeadm.yaml": "bad: yes\n"})
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 1
    assert "/var/log/pods/kube-system_kube-apiserver-" in result.stderr
    assert "previous configuration" in result.stderr
    assert (node.root / "etc/kubernetes/manifests/kube-apiserver.yaml").read_text() == "replicas: old\n"
    assert not [phase for phase in phases(node) if phase.startswith("upload")]


def test_the_previous_configuration_is_not_the_previous_version(node: Node) -> None:
    """Since it was applied, the node was upgraded to v1."""
    configured_node(node)
    node.write("var/lib/auto-devops/kubernetes-configuration", "kubernetesVersion: v0\nreplicas: old\n")
    node.files({"kubeadm.yaml": "kubernetesVersion: v2\nreplicas: old\n"})
    assert node.step("configure", **CONFIGURE).returncode == 0
    assert not node.called("kubeadm"), "nothing to do"
    node.files({"kubeadm.yaml": "kubernetesVersion: v2\nbad: yes\n"})
    assert node.step("configure", **CONFIGURE).returncode == 1
    manifest = node.root / "etc/kubernetes/manifests/kube-apiserver.yaml"
    assert manifest.read_text() == "kubernetesVersion: v1\nreplicas: old\n"


@pytest.mark.parametrize("corrected", ["old", "new"])
def test_a_dead_api_server_is_mended_by_the_corrected_setting(node: Node, corrected: str) -> None:
    """Killed half way: the API server is dead, and what was applied last is the old configuration."""
    configured_node(node).files({"kubeadm.yaml": "bad: yes\n"})
    node.fake("kubectl", "kill -9 $PPID")
    node.step("configure", **CONFIGURE)
    configured = node.root / "etc/kubernetes/manifests/kube-apiserver.yaml"
    assert configured.read_text() == "bad: yes\n"
    node.fake("kubectl", f"case \"$*\" in *readyz*) ! grep -q 'bad: yes' {configured} ;; esac")
    node.files({"kubeadm.yaml": f"replicas: {corrected}\n"})
    result = node.step("configure", **CONFIGURE)
    assert result.returncode == 0, result.stderr
    assert configured.read_text() == f"replicas: {corrected}\n"
