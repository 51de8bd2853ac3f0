"""A removal that fails says so, fails `destroy`, and so stays remembered (run.sh): in every component."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.scripts.machine import ROOT
from tests.scripts.rooted import Rooted

NO = "Operation not permitted"


@dataclass(frozen=True)
class Case:
    """What is on the machine, by path below its root; what fails there, by its programs; and what has to be said."""

    script: str
    fakes: dict[str, str]
    said: str = NO
    files: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


def failing(program: str, *patterns: str) -> dict[str, str]:
    """The program fails when it is called so, and does nothing otherwise."""
    return {program: f"""case "$*" in {" | ".join(patterns)}) echo '{program}: {NO}' >&2; exit 1 ;; esac"""}


STATE = "var/lib/auto-devops"
BEGUN = {f"{STATE}/kubernetes-begun": ""}
GITLAB = {"NAME": "gitlab.example.com", "KEEP_DATA": "false"}
STUCK = {"systemctl": f"case $* in *stop*) echo '{NO}' >&2; exit 1 ;; esac"}
LABEL = "com.gitlab.gitlab-runner.runner.id"
CASES = {
    "a zone": Case("dns/scripts/remove.sh", failing("find", "*auto-devops*"), files={"etc/bind/auto-devops/zone": ""}),
    "lines in somebody's file": Case(
        "dns/scripts/unresolver.sh",
        failing("mv", "*dhcpcd*"),
        files={"etc/dhcpcd.enter-hook": "# auto-devops: x\ny\n# auto-devops: end\ntheirs\n"},
    ),
    "a resolver": Case(
        "dns/scripts/unresolver.sh",
        failing("mv", "*resolv.conf*"),
        files={f"{STATE}/before{{root}}/etc/resolv.conf": "theirs\n"},
    ),
    "a certificate": Case("ca/scripts/distrust.sh", failing("rm", "*ca-certificates*")),
    "a trust store": Case("ca/scripts/distrust.sh", failing("update-ca-certificates", "*")),
    "a timer that does not end": Case("registry_host/scripts/gc-remove.sh", STUCK, "does not stop"),
    "a timer's file": Case("registry_host/scripts/gc-remove.sh", failing("rm", "*auto-devops-registry-gc*")),
    "a kubelet that does not end": Case(
        "k8s_node/scripts/reset.sh", STUCK, "kubelet.service that does not stop", BEGUN
    ),
    "a mount of a pod's": Case(
        "k8s_node/scripts/reset.sh",
        {"findmnt": "echo {root}/var/lib/kubelet/pods/x", "mountpoint": "true"} | failing("umount", "*"),
        "cannot be unmounted",
        BEGUN,
    ),
    "rules that cannot be read": Case("k8s_node/scripts/reset.sh", failing("iptables-save", ""), files=BEGUN),
    "rules that cannot be put back": Case(
        "k8s_node/scripts/unnetwork.sh",
        {"iptables-save": "echo '-A FORWARD -m comment --comment auto-devops-pods -j ACCEPT'"}
        | failing("iptables-restore", ""),
    ),
    "routes": Case("k8s_node/scripts/unnetwork.sh", failing("ip", "*flush*")),
    "volumes of pods": Case(
        "k8s_node/scripts/reset.sh",
        failing("find", "*auto-devops-volumes*"),
        "auto-devops-volumes that cannot be removed",
        BEGUN | {"var/lib/auto-devops-volumes/x": ""},
    ),
    "a program of somebody's": Case(
        "k8s_node/scripts/unprepare.sh",
        failing("mv", "*kubectl*"),
        files={f"{STATE}/before{{root}}/usr/local/bin/kubectl": "theirs"},
    ),
    "pods' files": Case(
        "k8s_node/scripts/unprepare.sh",
        failing("find", "*/var/lib/kubelet*"),
        "kubelet that cannot be removed",
        {f"{STATE}/kubernetes-directories": "{root}/var/lib/kubelet\n", "var/lib/kubelet/x": ""},
    ),
    "GitLab's data": Case(
        "gitlab_server/scripts/data-remove.sh",
        failing("find", "*srv/gitlab/data*"),
        "data that cannot be removed",
        {f"{STATE}/gitlab-data": "{root}/srv/gitlab", "srv/gitlab/data/x": ""},
        GITLAB,
    ),
    "a certificate of GitLab's": Case(
        "gitlab_server/scripts/certificates-remove.sh", failing("rm", "*trusted-certs*"), variables=GITLAB
    ),
    "a job's container": Case(
        "gitlab_runner/scripts/remove.sh",
        {
            "dockerd": "",
            "docker": f"case \"$*\" in *'{LABEL}=one'*) echo x ;; 'rm '*) echo '{NO}' >&2; exit 1 ;; esac",
        },
        files={f"{STATE}/gitlab-runner-ids": "one\n"},
    ),
    "an engine of jobs that does not answer": Case(
        "gitlab_runner/scripts/remove.sh", {"dockerd": "", "docker": "exit 1"}, "docker info to work"
    ),
    "an image for jobs": Case(
        "ci_images/scripts/unbuild.sh",
        {
            "docker": "case \"$*\" in 'image ls '*) echo registry.x/auto-devops/go:1 ;; "
            f"'image rm '*) echo '{NO}' >&2; exit 1 ;; esac"
        },
        variables={"ROLE": "go", "REGISTRY": "registry.x"},
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_it_fails_and_says_why(tmp_path: Path, case: Case) -> None:
    machine = Rooted(tmp_path / "machine")
    (machine.root / "var/lib/dpkg").mkdir(parents=True)
    for path, text in case.files.items():
        machine.write(path.replace("{root}", str(machine.root)), text.replace("{root}", str(machine.root)))
    machine.variables |= {"DATA": f"{machine.root}/srv/gitlab"} | case.variables
    for name, body in case.fakes.items():
        machine.fake(name, body.replace("{root}", str(machine.root)))
    done = machine.step(ROOT / "components" / case.script)
    assert done.returncode != 0, "a failure that nobody hears of"
    assert case.said in done.stderr, done.stderr


def test_what_a_container_has_is_no_failure(tmp_path: Path) -> None:
    machine = Rooted(tmp_path / "machine")
    refused = "echo 'Error response from daemon: conflict: unable to remove repository reference'; exit 1"
    machine.fake(
        "docker",
        f"case \"$*\" in 'image ls '*) echo registry.x/auto-devops/go:1 ;; 'image rm '*) {refused} ;; esac",
    )
    done = machine.step(ROOT / "components/ci_images/scripts/unbuild.sh", ROLE="go", REGISTRY="registry.x")
    assert done.returncode == 0 and "which a container of somebody's has" in done.stderr
