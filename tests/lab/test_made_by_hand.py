"""Machines set up by hand: what cannot be used is refused before any change; what can be outlives the stack."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests.lab.driver import MAKE_IMAGE, SERVERS, SLEEP, Lab, difference, eventually

pytestmark = pytest.mark.state("bare", changes=True)


def package(name: str, install: str = "dpkg -i") -> str:
    """A line that puts a package of that name, with nothing in it, on a machine."""
    control = f"Package: {name}\\nVersion: 1\\nArchitecture: all\\nMaintainer: t\\nDescription: t\\n"
    make = f"mkdir -p $d/p/DEBIAN && printf '{control}' >$d/p/DEBIAN/control && dpkg-deb -b $d/p $d/p.deb"
    return f"d=$(mktemp -d) && {{ {make} && {install} $d/p.deb; }} >/dev/null && rm -r $d"


def listener(where: str) -> str:
    """A line by which somebody's service listens there, and goes on when it is called: the preflight does."""
    unit = f"theirs-{where.rpartition(':')[2]}"
    return f"systemd-run --quiet --unit {unit} systemd-socket-activate --accept -l {where} /bin/cat"


def file(path: str, text: str = "theirs\n") -> str:
    """A line that writes a file."""
    return f"mkdir -p $(dirname {path}) && printf %s {shlex.quote(text)} >{path}"


# By machine: how it is made, how it goes again, what is refused, and words of what is said to be found.
REFUSED: Mapping[str, Sequence[tuple[str, str, str, str]]] = {
    "dns": [
        (file("/etc/bind/db.corp"), "rm -r /etc/bind", "BIND", "a configuration of its own: /etc/bind/db.corp"),
        (listener("127.0.0.1:53"), "systemctl stop theirs-53", "port 53", "in use: "),
        (package("half", "dpkg --unpack"), "dpkg --purge half", "packages", "interrupted: half"),
        (
            file("/etc/cloud/cloud.cfg.d/99-theirs.cfg", "manage_resolv_conf: true\n"),
            "rm -r /etc/cloud",
            "resolver",
            "/etc/cloud/cloud.cfg.d/99-theirs.cfg",
        ),
    ],
    "registry": [
        (package("podman-docker"), "dpkg --purge podman-docker", "docker command", "package podman-docker"),
        ("mkdir -p /var/snap/docker/common", "rm -r /var/snap", "snap docker", "the snap of Docker"),
        (
            file("/var/lib/docker/volumes/x/_data/theirs"),
            "rm -r /var/lib/docker/volumes",
            "/var/lib/docker",
            "data of an engine that is not installed",
        ),
        (listener("80"), "systemctl stop theirs-80", "port 80", "in use by"),
    ],
    "gitlab": [
        (package("containerd.io"), "dpkg --purge containerd.io", "containerd", "containerd.io of Docker's own"),
        (file("/srv/gitlab/data/theirs"), "rm -r /srv/gitlab", "data /srv/gitlab", "did not begin: data"),
        (
            file("/srv/gitlab-runner/config.toml"),
            "rm -r /srv/gitlab-runner",
            "data /srv/gitlab-runner",
            "did not make: config.toml",
        ),
        (listener("443"), "systemctl stop theirs-443", "port 443", "in use: "),
    ],
    "k8s": [
        (package("kubelet"), "dpkg --purge kubelet", "kubelet", "the package kubelet"),
        (file("/var/lib/etcd/member/snap/db"), "rm -r /var/lib/etcd", "data /var/lib/etcd", "an etcd"),
        (file("/etc/kubernetes/audit.yaml"), "rm -r /etc/kubernetes", "data /etc/kubernetes", "make: audit.yaml"),
        (
            file("/etc/sysctl.d/99-theirs.conf", "net.ipv4.ip_forward = 0\n"),
            "rm /etc/sysctl.d/99-theirs.conf",
            "sysctl",
            "99-theirs.conf:1 net.ipv4.ip_forward = 0",
        ),
        (listener("6443"), "systemctl stop theirs-6443", "port 6443", "in use: "),
    ],
}


def snapshots(lab: Lab) -> dict[str, dict[str, list[str]]]:
    return {machine: lab.snapshot(machine) for machine in SERVERS}


def differences(lab: Lab, before: Mapping[str, dict[str, list[str]]]) -> dict[str, dict[str, list[str]]]:
    """What has come and gone since, by machine."""
    found = {machine: difference(before[machine], after) for machine, after in snapshots(lab).items()}
    return {machine: things for machine, things in found.items() if things}


def test_all_that_cannot_be_used_is_refused_at_once(lab: Lab) -> None:
    clean = snapshots(lab)
    for machine, cases in REFUSED.items():
        lab.on(machine, " && ".join(made for made, _, _, _ in cases)).succeeded()
    before = snapshots(lab)
    refused = lab.lab("preflight", "--json").failed().findings("refused")
    expected = {(machine, what): words for machine, cases in REFUSED.items() for _, _, what, words in cases}
    assert refused.keys() == expected.keys()
    for place, words in expected.items():
        assert words in refused[place]["found"] and refused[place]["fix"], refused[place]

    said = " ".join(lab.up().failed().output.split())
    assert f"{len(expected)} things keep the machines from what they are asked to be; nothing was changed." in said
    for (machine, what), words in expected.items():
        assert f"{what} found: " in said and words in said, (machine, what)
    assert differences(lab, before) == {}
    # All of it is gone again, and nothing else is in the way.
    for machine, cases in REFUSED.items():
        lab.on(machine, " && ".join(undo for _, undo, _, _ in cases)).succeeded()
    assert differences(lab, clean) == {}
    lab.lab("preflight").succeeded()


# Docker's own packages, made from Debian's: they differ for us in name, in what they provide and what they exclude.
DOCKER_CE = r"""set -e
apt-get -qq update
d=$(mktemp -d); chmod 755 $d; cd $d
apt-get -qq download docker.io containerd runc
for package in docker.io containerd runc; do dpkg-deb -R ${package}_*.deb $package; done
cp -a runc/usr containerd/
rename() { # DIRECTORY NAME LINES DEPENDS
  sed -i -E -e '/^(Source|Breaks|Replaces|Conflicts|Provides|Recommends|Suggests|Enhances|Built-Using):/d' \
    -e "s/^Package: .*/Package: $2\n$3/" -e "s/^Depends: .*/Depends: $4/" $1/DEBIAN/control
  rm -f $1/DEBIAN/md5sums
  dpkg-deb -b $1 $2.deb >/dev/null
}
rename containerd containerd.io 'Provides: containerd, runc\nConflicts: containerd, runc' 'libc6, libseccomp2'
rename docker.io docker-ce 'Conflicts: docker.io\nReplaces: docker.io' \
  'containerd.io, iptables, adduser, libc6, libdevmapper1.02.1, libsystemd0'
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -y --no-install-recommends install ./containerd.io.deb ./docker-ce.deb >/dev/null
cd /; rm -r $d"""
# What is used, or not in the way, by machine; lines that make it.
USED: Mapping[str, Sequence[str]] = {
    "dns": [
        file("/etc/apt/preferences.d/theirs", "Package: nothing\nPin: version 1\nPin-Priority: -1\n"),
        "apt-mark hold less",
        file("/etc/chrony/conf.d/theirs.conf"),
        "iptables -A INPUT -p tcp --dport 9999 -j DROP",
    ],
    "registry": [
        "echo '192.0.2.1 theirs.corp.example' >>/etc/hosts",
        file("/etc/nginx/conf.d/theirs.conf"),
        "groupadd --system docker && useradd --no-create-home --groups docker theirs",
        file("/usr/local/share/ca-certificates/theirs/readme.txt"),
        file("/etc/modules-load.d/theirs.conf", "overlay\n"),
        # What the stack calls so elsewhere.
        file("/srv/gitlab/theirs"),
    ],
    "gitlab": [
        DOCKER_CE,
        file("/etc/docker/daemon.json", '{"log-driver": "journald", "labels": ["theirs=1"]}\n'),
        f"systemctl restart docker && {MAKE_IMAGE}",
        "docker network create corp >/dev/null && docker volume create theirs-data >/dev/null",
        f"docker run --detach --name theirs --network corp --volume theirs-data:/data {SLEEP} >/dev/null",
        # Whose port GitLab gets.
        file("/etc/ssh/sshd_config.d/10-theirs.conf", "Port 22\nMaxSessions 20\n"),
        "systemctl reload ssh",
    ],
    "k8s": [
        file("/etc/sysctl.d/50-theirs.conf", "net.ipv4.ip_forward = 1\n"),
        file("/etc/modules-load.d/theirs.conf", "br_netfilter\n"),
        file("/etc/systemd/resolved.conf.d/theirs.conf", "[Resolve]\nCache=no\n"),
        "systemctl restart systemd-resolved",
        file("/usr/local/bin/kubectl", "#!/bin/sh\necho theirs\n") + " && chmod 755 /usr/local/bin/kubectl",
        file("/opt/cni/bin/flannel"),
        file("/root/.kube/config"),
        "iptables -N THEIRS && iptables -A THEIRS -j RETURN && iptables -A FORWARD -j THEIRS",
    ],
}


@pytest.fixture(scope="module")
def theirs(lab: Lab) -> Iterator[dict[str, dict[str, list[str]]]]:
    """The machines as somebody has set them up."""
    for machine, lines in USED.items():
        for line in lines:
            lab.on(machine, line).succeeded()
    yield snapshots(lab)


@pytest.mark.full
def test_a_power_cut_while_packages_come(lab: Lab, theirs: dict[str, dict[str, list[str]]]) -> None:
    """In the middle of dpkg; then somebody installs something of his own, which stays his."""
    busy = "test -e /var/lib/auto-devops/packages/dns.pending && pgrep -x dpkg"

    def cut(line: str) -> bool:
        if "installing bind9" not in line:
            return False
        eventually("dpkg at work on dns", lambda: lab.on("dns", busy).status == 0, every=0.05)
        lab.power_off("dns")
        return True

    lab.interrupted(cut)
    lab.lab("restart", "dns").succeeded()
    lab.on("dns", package("byhand")).succeeded()
    lab.on("dns", "iptables -A INPUT -p tcp --dport 9999 -j DROP").succeeded()  # no reboot keeps such a rule
    theirs["dns"]["package"].append("byhand installed")


@pytest.mark.full
def test_what_can_be_used_is_used(lab: Lab, theirs: dict[str, dict[str, list[str]]]) -> None:
    started = "docker inspect --format '{{.State.StartedAt}} {{.State.Pid}}' theirs"
    before = lab.on("gitlab", started).succeeded().output
    lab.lab("up").succeeded()
    assert set(lab.up().succeeded().changes) == {"unchanged"}
    assert lab.on("gitlab", started).succeeded().output == before, "the container ran on"
    drivers = "docker inspect --format '{{.HostConfig.LogConfig.Type}}' theirs gitlab"
    assert lab.on("gitlab", drivers).succeeded().output.split() == ["journald", "json-file"]
    assert lab.on("gitlab", "dpkg-query -W -f '${db:Status-Status}' docker.io").output != "installed"
    assert lab.on("k8s", "kubectl version --client").succeeded().output.strip() != "theirs"


@pytest.mark.full
def test_a_removal_that_fails_goes_on_with_the_next_destroy(lab: Lab, theirs: dict[str, dict[str, list[str]]]) -> None:
    """Somebody's disk is mounted among what goes."""
    mounted = "/srv/gitlab/logs/theirs"
    lab.on("gitlab", f"mkdir {mounted} && mount -t tmpfs theirs {mounted} && touch {mounted}/file").succeeded()
    refused = lab.pulumi("destroy", "--yes", "--skip-preview").failed()
    assert "/srv/gitlab/logs that cannot be removed" in " ".join(refused.output.split())
    assert lab.on("gitlab", f"ls {mounted}").succeeded().output.strip() == "file"
    lab.on("gitlab", f"umount {mounted}").succeeded()
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()


@pytest.mark.full
def test_the_machines_are_as_they_were(lab: Lab, theirs: dict[str, dict[str, list[str]]]) -> None:
    assert differences(lab, theirs) == {}
    assert lab.on("gitlab", "docker info --format '{{.LoggingDriver}} {{.LiveRestoreEnabled}}'").output.strip() == (
        "journald false"
    )
    assert lab.on("dns", "apt-mark showhold").output.strip() == "less"
    assert lab.on("k8s", "kubectl").output.strip() == "theirs"
