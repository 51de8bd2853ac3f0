"""What a machine is looked at for before it becomes a node."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.host.checks import Finding
from tests.scripts.machine import ROOT
from tests.scripts.rooted import Rooted, refused, warned

CHECK = ROOT / "components/k8s_node/scripts/check.sh"
VARIABLES = {
    "NODE": "n1",
    "VERSION": "1.36.3",
    "PORTS": "6443 2379 10250 80 443",
    "MINIMUM_MEMORY": "1700",
    "ALLOW_SWAP": "no",
    "ALLOW_CGROUP_V1": "no",
}


class Candidate(Rooted):
    """A machine that can become a node."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.write("proc/meminfo", "MemTotal: 4000000 kB\n")
        self.write("proc/swaps", "Filename Type\n")
        self.write("proc/filesystems", "nodev overlay\n")
        self.write("sys/module/br_netfilter/x")
        self.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n")
        self.fake("stat", "echo cgroup2fs")
        self.fake("df", "printf 'Avail\\n9000000\\n'")

    def program_is_there(self, program: str) -> None:
        self.fake(program, f"echo {program} 1.7.24")

    def look(self, **changes: str) -> list[Finding]:
        return self.check(CHECK, **{**VARIABLES, **changes})


@pytest.fixture
def machine(tmp_path: Path) -> Candidate:
    return Candidate(tmp_path / "machine")


def test_a_machine_that_can(machine: Candidate) -> None:
    assert machine.look() == []


@pytest.mark.parametrize("file", ["kubelet.conf", "manifests/kube-apiserver.yaml"])
def test_a_cluster_of_someone_else(machine: Candidate, file: str) -> None:
    machine.write(f"etc/kubernetes/{file}")
    found = refused(machine.look())
    assert "Kubernetes: already a Kubernetes node that this stack did not make: see " in found[0]


def test_a_node_of_ours_is_not_asked(machine: Candidate) -> None:
    for file in ("kubelet.conf", "manifests/kube-apiserver.yaml"):
        machine.write(f"etc/kubernetes/{file}")
    for path in ("var/lib/etcd/member/db", "var/lib/kubelet/config.yaml"):
        machine.write(path)
    (machine.state / "kubernetes-initialised").touch()
    machine.listens(6443, "*", "kube-apiserver")
    assert machine.look(BEGUN="yes") == []
    assert machine.look() == [], "an earlier release remembered less"


@pytest.mark.parametrize("unit", ["k3s", "rke2-agent", "snap.microk8s.daemon-kubelite", "k0sworker"])
def test_another_kubernetes(machine: Candidate, unit: str) -> None:
    machine.fake("systemctl", f'case "$*" in "-q is-enabled {unit}") ;; *) false ;; esac')
    (found,) = machine.look()
    assert refused([found]) == [f"Kubernetes: {unit}.service, another Kubernetes"]
    assert f"systemctl disable --now {unit}" in found.fix


def test_a_kubelet_of_someone_else(machine: Candidate) -> None:
    machine.fake("systemctl", 'case "$*" in "-q is-active kubelet") ;; show*) echo /etc/x.service ;; *) false ;; esac')
    assert refused(machine.look()) == ["kubelet: a kubelet.service that this stack did not make: /etc/x.service"]
    machine.fake("dpkg-query", 'case "$*" in *" kubelet") printf installed ;; *) false ;; esac')
    assert refused(machine.look()) == ["kubelet: the package kubelet"]
    assert machine.look(BEGUN="yes") == [], "by then it is ours"


@pytest.mark.parametrize("path", ["etc/kubernetes/audit.yaml", "var/lib/kubelet/config.json"])
def test_files_of_someone_else_may_be_adopted(machine: Candidate, path: str) -> None:
    directory = machine.write(path).parent
    (found,) = machine.look()
    assert refused([found]) == [f"data {directory}: files that this stack did not make: {path.rpartition('/')[2]}"]
    assert f"pulumi config set --path 'auto-devops:hosts.n1.adopt[0]' {directory}" in found.fix
    assert machine.look(ADOPT=f"/srv/x:{directory}") == []


def test_empty_directories_are_nothing(machine: Candidate) -> None:
    """As `kubeadm reset` leaves them, which the refusal itself names."""
    for path in ("etc/kubernetes/manifests", "var/lib/kubelet", "var/lib/etcd/lost+found"):
        (machine.root / path).mkdir(parents=True)
    assert machine.look() == []


def test_another_etcds_data_cannot_be_adopted(machine: Candidate) -> None:
    data = machine.write("var/lib/etcd/default/member/db").parents[2]
    assert "data of an etcd that this stack did not begin" in refused(machine.look(ADOPT=str(data)))[0]
    assert machine.look(PORTS="10250") == [], "a worker has none"


def test_room_ports_swap(machine: Candidate) -> None:
    machine.write("proc/meminfo", "MemTotal: 1000000 kB\n")
    machine.write("proc/swaps", "Filename Type\n/dev/sda2 partition\n")
    machine.fake("df", "printf 'Avail\\n90000\\n'")
    machine.listens(443, "0.0.0.0", "apache2")
    assert refused(machine.look()) == [
        "memory: 976 MiB of memory",
        "port 443: in use: 0.0.0.0:443 apache2 apache2.service",
        "swap: /dev/sda2",
        # The next directory above that is there.
        f"disk {machine.root}: 87 MiB free",
        f"disk {machine.root}: 87 MiB free",
    ]
    machine.write("proc/meminfo", "MemTotal: 4000000 kB\n")
    machine.fake("df", "printf 'Avail\\n9000000\\n'")
    assert machine.look(PORTS="10250", ALLOW_SWAP="yes") == []


def test_where_no_program_may_run(machine: Candidate) -> None:
    machine.fake("findmnt", 'case "$*" in *OPTIONS*opt*) echo rw,noexec ;; *TARGET*) echo /opt ;; esac')
    directory = machine.root / "opt/cni/bin"
    directory.mkdir(parents=True)
    assert refused(machine.look()) == [f"mount {directory}: noexec"]


def test_a_kubectl_of_someone_else_is_told(machine: Candidate) -> None:
    machine.program_is_there("kubectl")
    found = machine.look()
    assert refused(found) == []
    assert warned(found) == [f"{machine.root}/bin/kubectl: a kubectl of the machine's own"]
    assert machine.look(BEGUN="yes") == [], "by then it is ours"


def containerd(machine: Candidate, package: str, config: str) -> None:
    machine.program_is_there("containerd")
    machine.write("etc/containerd/config.toml", config)
    machine.fake("dpkg-query", f'case "$*" in *Status*" {package}") printf installed ;; *) false ;; esac')


@pytest.mark.parametrize("package", ["containerd", "containerd.io"])
def test_a_containerd_of_someone_else_is_used(machine: Candidate, package: str) -> None:
    containerd(machine, package, 'root = "/var/lib/containerd"\n[plugins]\nroot = "/in/a/section"\n')
    found = machine.look()
    assert refused(found) == []
    (what,) = warned(found)
    assert what.startswith("containerd: an ") and what.endswith("config.toml of the machine's own")


def test_containers_elsewhere_would_be_hidden(machine: Candidate) -> None:
    containerd(machine, "containerd", 'version = 2\nroot = "/data/containerd"\n')
    (what,) = refused(machine.look())
    assert 'config.toml with root = "/data/containerd"' in what


def test_a_containerd_that_cannot_be_used(machine: Candidate) -> None:
    containerd(machine, "none", "")
    assert refused(machine.look()) == [f"containerd: {machine.root}/bin/containerd, which no package has brought"]
    containerd(machine, "containerd", "")
    machine.fake("containerd", "echo containerd github.com/containerd/containerd 1.4.13~ds1")
    assert refused(machine.look()) == ["containerd: version 1.4.13"]


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_containerd_whose_configuration_names_the_usual_places(machine: Candidate, quote: str) -> None:
    """As `containerd config default` writes them all; since 1.7.? and 2.0 between single quotes."""
    places = f"root = {quote}/var/lib/containerd{quote}\nstate = {quote}/run/containerd{quote}\n"
    containerd(machine, "containerd", f"version = 3\n{places}")
    assert refused(machine.look()) == []
    containerd(machine, "containerd", f"version = 3\nroot = {quote}/data{quote}\n")
    assert f"config.toml with root = {quote}/data{quote}" in refused(machine.look())[0]


@pytest.mark.parametrize(
    "version",
    [
        "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u1",
        "containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6+b4",
        "containerd github.com/containerd/containerd/v2 2.2.1-0ubuntu1~24.04.2",
        "containerd containerd.io v2.2.0 1c4457e00facac03ce1d75f7b6777a7a851e5c41",
    ],
)
def test_containerds_that_are_used(machine: Candidate, version: str) -> None:
    """Of Debian 12 and 13, Ubuntu 24.04, and Docker's own."""
    containerd(machine, "containerd", "version = 2\n")
    machine.fake("containerd", f"echo {version}")
    assert refused(machine.look()) == []


@pytest.mark.parametrize(
    ("path", "line", "forbidden"),
    [
        ("etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward = 0", True),
        ("etc/sysctl.d/99-hardening.conf", "-net/ipv4/conf/default/forwarding=0", True),
        ("usr/lib/sysctl.d/99-x.conf", "net.bridge.bridge-nf-call-iptables=0", True),
        ("etc/sysctl.conf", "net.ipv4.conf.all.forwarding=0", True),
        ("etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward = 0\nnet.ipv4.ip_forward = 1", False),
        ("etc/sysctl.d/99-hardening.conf", "#net.ipv4.ip_forward = 0\nnet.ipv4.ip_forward_use_pmtu = 0", False),
        ("etc/sysctl.d/50-before.conf", "net.ipv4.ip_forward = 0", False),
    ],
)
def test_settings_of_the_kernel_that_come_after_ours(machine: Candidate, path: str, line: str, forbidden: bool) -> None:
    file = machine.write(path, line + "\n")
    found = refused(machine.look())
    assert bool(found) is forbidden
    assert all(str(file) in what for what in found)


def test_of_two_files_of_one_name_one_counts(machine: Candidate) -> None:
    machine.write("usr/lib/sysctl.d/99-x.conf", "net.ipv4.ip_forward=0\n")
    machine.write("etc/sysctl.d/99-x.conf", "# nothing\n")
    assert machine.look() == []


def test_a_node_that_runs_goes_on(machine: Candidate) -> None:
    machine.write("etc/sysctl.d/99-hardening.conf", "net.ipv4.ip_forward=0\n")
    (machine.state / "kubernetes-initialised").touch()
    found = machine.look(BEGUN="yes")
    assert refused(found) == [] and len(warned(found)) == 1


def test_modules_that_may_not_be_loaded(machine: Candidate) -> None:
    machine.write("proc/filesystems", "nodev proc\n")
    (machine.root / "sys/module/br_netfilter/x").unlink()
    (machine.root / "sys/module/br_netfilter").rmdir()
    machine.fake("modprobe", "echo insmod /lib/modules/x.ko")
    assert machine.look() == []
    machine.fake("modprobe", "echo install /bin/false")
    machine.fake("systemd-detect-virt", "false")
    assert [what.partition(":")[0] for what in refused(machine.look())] == [
        "kernel module overlay",
        "kernel module br_netfilter",
    ]
    machine.write("proc/sys/net/bridge/bridge-nf-call-iptables", "1\n")
    machine.write("proc/filesystems", "nodev overlay\n")
    assert machine.look() == [], "built in"


def test_cgroups(machine: Candidate) -> None:
    machine.write("sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n")
    assert refused(machine.look()) == ["cgroups: version 2 without memory"]
    machine.fake("stat", "echo tmpfs")
    assert refused(machine.look()) == ["cgroups: version 1"]
    assert machine.look(ALLOW_CGROUP_V1="yes") == []
