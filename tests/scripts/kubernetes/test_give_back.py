"""A node's files that were somebody else's: used or replaced meanwhile, and there again at the end."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.templates import render
from tests.scripts.machine import ROOT
from tests.scripts.rooted import Rooted

SCRIPTS = ROOT / "components/k8s_node/scripts"
PREPARE = {
    "NODE": "n1",
    "VERSION": "1.36.3",
    "CNI_VERSION": "1.9.1",
    "KUBERNETES_URL": "https://mirror.example",
    "CNI_URL": "https://cni.example",
    "REGISTRIES": "docker.io=mirror.example quay.io=mirror.example",
    "NAME_SERVER": "10.0.0.1",
}
# Somebody's, by path: other versions of what we bring, and what we do not.
THEIRS = {
    "usr/local/bin/kubectl": "their kubectl",
    "opt/cni/bin/bridge": "their bridge",
    "opt/cni/bin/flannel": "their flannel",
    "etc/cni/net.d/87-podman.conflist": "their network",
    "etc/containerd/certs.d/docker.io/hosts.toml": "their mirror",
    "etc/containerd/certs.d/ghcr.io/hosts.toml": "their other mirror",
    "etc/containerd/config.toml": "their containerd",
    "etc/systemd/system/kubelet.service.d/20-theirs.conf": "their drop-in",
    "etc/kubelet-resolv.conf": "their resolver",
    "var/log/pods/old/0.log": "their log",
    "var/lib/cni/networks/podman/10.88.0.2": "their container",
}


class Node(Rooted):
    """A machine that is prepared as a node, with a mirror of all that it needs, and a containerd of its own."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.root / "usr/local/bin").mkdir(parents=True)
        (self.root / "var/lib/dpkg").mkdir(parents=True)
        self.variables["PATH"] = f"{self.root}/usr/local/bin:" + self.variables["PATH"]
        self.fake("dpkg-query", 'case "$*" in *Status*) printf installed ;; esac')
        self.fake("dpkg", "true")
        self.fake("uname", "echo x86_64")
        self.fake("ctr", "true")
        self.fake("apt-mark", "true")
        plugins = self.root / "tmp/plugins"
        plugins.mkdir()
        for name in ("bridge", "loopback"):
            (plugins / name).write_text(f"our {name}")
            (plugins / name).chmod(0o755)
        archive = self.root / "tmp/cni.tgz"
        subprocess.run(["tar", "-czf", archive, "-C", plugins, "."], check=True)
        program = self.root / "tmp/program"
        program.write_text(
            '#!/bin/sh\ncase "$*" in *images*) echo x/pause:3 ;; "version -o short") echo v1.36.3 ;; '
            'version*) echo "Client Version: v1.36.3" ;; *) echo "Kubernetes v1.36.3" ;; esac\n'
        )
        self.fake(
            "curl",
            f"""for url; do true; done; out=/dev/stdout
            while [ $# -gt 0 ]; do if [ "$1" = -o ]; then out=$2; fi; shift; done
            case $url in *cni*) file={archive} ;; *) file={program} ;; esac
            case $url in *.sha256) sha256sum <$file >"$out" ;; *) cat $file >"$out" ;; esac""",
        )

    def prepare(self, **changes: str) -> None:
        self.files(
            {
                "programs.sh": self.moved(SCRIPTS / "programs.sh"),
                "containerd.toml": render("k8s_node/templates/containerd.toml.j2", cri={}),
                "kubelet.service": "ours\n",
                "10-kubeadm.conf": "ours\n",
            }
        )
        result = self.step(SCRIPTS / "prepare.sh", **{**PREPARE, **changes})
        assert result.returncode == 0, result.stderr

    def remove(self) -> None:
        for step in ("unnetwork", "reset", "unprepare"):
            result = self.step(SCRIPTS / f"{step}.sh", BEGUN="yes")
            assert result.returncode == 0, result.stderr


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "node")


def test_a_bare_machine_is_bare_again(node: Node) -> None:
    before = node.snapshot()
    node.prepare()
    assert (node.root / "usr/local/bin/kubelet").exists() and (node.root / "opt/cni/bin/loopback").exists()
    node.remove()
    assert node.snapshot() == before
    assert not (node.root / "opt/cni").exists() and not (node.root / "etc/containerd/certs.d").exists()


@pytest.mark.parametrize(("times", "name_server"), [(1, "10.0.0.1"), (2, "10.0.0.1"), (2, "")])
def test_what_was_there_is_there_again(node: Node, times: int, name_server: str) -> None:
    for path, text in THEIRS.items():
        node.write(path, text, 0o755 if "/bin/" in path else 0o644)
    before = node.snapshot()
    for _ in range(times):
        node.prepare(NAME_SERVER=name_server)
    assert "Kubernetes" in (node.root / "usr/local/bin/kubectl").read_text()
    assert (node.root / "opt/cni/bin/bridge").read_text() == "our bridge"
    assert "mirror.example" in (node.root / "etc/containerd/certs.d/docker.io/hosts.toml").read_text()
    node.remove()
    assert node.snapshot() == before


def test_a_mirror_that_is_no_longer_one(node: Node) -> None:
    theirs = node.write("etc/containerd/certs.d/docker.io/hosts.toml", "their mirror")
    node.prepare()
    node.prepare(REGISTRIES="")
    assert theirs.read_text() == "their mirror"
    assert not (node.root / "etc/containerd/certs.d/quay.io").exists()


def test_an_earlier_releases_files_are_ours(node: Node) -> None:
    """It remembered nothing of what it had placed, and had the network elsewhere."""
    before = node.snapshot()
    for path in ("usr/local/bin/kubectl", "opt/cni/bin/bridge", "opt/cni/bin/.auto-devops", "etc/kubelet-resolv.conf"):
        node.write(path, "1.9.1\n")
    old = node.write("etc/cni/net.d/10-auto-devops.conflist", "the network")
    for name in ("sysctl", "initialised"):
        node.write(f"var/lib/auto-devops/kubernetes-{name}")
    for name in ("kubeadm", "kubelet"):
        node.write(f"usr/local/bin/{name}", "#!/bin/sh\necho x/pause:3\n", 0o755)
    node.write("etc/kubernetes/admin.conf")
    node.prepare(LEGACY="yes")
    assert (node.root / "etc/cni/auto-devops/pods.conflist").read_text() == old.read_text(), "pods go on"
    (node.root / "bin/kubeadm").unlink(missing_ok=True)
    node.remove()
    assert node.snapshot() == before


def test_dockers_containerd_is_taken(node: Node) -> None:
    node.fake("dpkg-query", 'case "$*" in *" containerd" | *" runc") false ;; *Status*) printf installed ;; esac')
    node.fake("apt-get", "false")
    node.prepare()
    assert not [call for call in node.calls if call.startswith("apt-get")]


def test_adopted_files_outlive_the_cluster(node: Node) -> None:
    """kubeadm's reset takes away all that is in its directories."""
    node.write("etc/kubernetes/audit.yaml", "their policy")
    node.write("var/lib/kubelet/config.json", "their logins")
    before = node.snapshot()
    node.prepare(ADOPT=f"{node.root}/etc/kubernetes:{node.root}/var/lib/kubelet")
    assert (node.root / "etc/kubernetes/audit.yaml").exists()
    node.write("var/lib/auto-devops/kubernetes-begun")
    taken = f"{node.root}/etc/kubernetes/* {node.root}/var/lib/kubelet/*"
    node.write("usr/local/bin/kubeadm", f'#!/bin/sh\nif [ "$1" = reset ]; then rm -rf {taken}; fi\n', 0o755)
    node.write("etc/kubernetes/kubelet.conf")
    node.files({"kubeadm.yaml": ""})
    assert node.step(SCRIPTS / "join.sh").returncode == 0
    assert (node.root / "etc/kubernetes/audit.yaml").read_text() == "their policy", "an interrupted join is begun anew"
    node.remove()
    assert node.snapshot() == before


def test_downloads_are_not_in_the_memory(node: Node) -> None:
    """$FILES is in /run."""
    node.prepare()
    assert not {"kubelet", "kubeadm", "kubectl"} & {path.name for path in (node.root / "files").iterdir()}
    assert (node.root / "work/kubelet").exists()


def test_what_cannot_be_removed_fails_the_removal(node: Node) -> None:
    node.prepare()
    node.write("var/lib/kubelet/pods/x")
    mounted = f"{node.root}/var/lib/kubelet -xdev"
    node.fake(
        "find", f'case "$*" in "{mounted}"*-delete) echo busy >&2; exit 1 ;; esac; exec {node.root}/system/find "$@"'
    )
    result = node.step(SCRIPTS / "unprepare.sh", BEGUN="yes")
    assert result.returncode == 1
    assert "busy" in result.stderr and "var/lib/kubelet that cannot be removed" in result.stderr
    assert (node.state / "kubernetes-directories").exists(), "the next destroy goes on"
