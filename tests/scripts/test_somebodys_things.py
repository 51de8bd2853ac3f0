"""What somebody has moved, stopped or had before, on the machines of GitLab, its runner and the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.gitlab.server import SCRIPTS as GITLAB
from tests.scripts.kubernetes.test_give_back import Node
from tests.scripts.machine import ROOT, remembered
from tests.scripts.rooted import Rooted

RUNNER = ROOT / "components/gitlab_runner/scripts"
THEIRS = '[[runners]]\n  token = "glrt-theirsxxxxxxxx"\n'


@pytest.fixture
def machine(tmp_path: Path) -> Rooted:
    return Rooted(tmp_path / "machine")


def test_registrations_of_an_adopted_runner_are_not_ours(machine: Rooted) -> None:
    """The first run ended before it placed config.toml; the next takes the user's for its own, and their volumes."""
    machine.write("srv/gitlab-runner/config.toml", THEIRS)
    machine.files(
        dict.fromkeys(("ca.crt", "ca.pem", "cert.pem", "key.pem", "volumes"), "")
        | {"config.toml": '  token = "glrt-ourownxxxxxx"\n'}
    )
    machine.fake(
        "docker",
        """case "$*" in
    "volume ls --filter label="*) echo "theirsxxx runner-theirs-cache" ;;
    "ps --all --quiet --filter "*=theirsxxx) echo their-job ;;
    esac""",
    )
    machine.fake("dockerd", "true")
    machine.fake(
        "install",
        'case "$*" in *ca.crt*) echo "no space left on device" >&2; exit 1 ;; esac\n'
        f'exec {machine.root}/system/install "$@"',
    )
    adopt = {"ADOPT": f"{machine.root}/srv/gitlab-runner"}
    assert machine.step(RUNNER / "configure.sh", **adopt).returncode == 1
    (machine.root / "bin/install").unlink()
    done = machine.step(RUNNER / "configure.sh", BEGUN="yes", **adopt)
    assert done.returncode == 0, done.stderr
    assert "docker volume rm runner-theirs-cache" not in machine.calls
    done = machine.step(RUNNER / "remove.sh", BEGUN="yes", **adopt)
    assert "docker rm --force --volumes their-job" not in machine.calls
    assert (machine.root / "srv/gitlab-runner/config.toml").read_text() == THEIRS


def test_gitlabs_data_in_another_directory(machine: Rooted) -> None:
    """Moved as data.sh says (cp -a, mv to .old); at the end nothing of the stack's own is remembered any more."""
    machine.fake("docker", "true")
    variables = {"NAME": "gitlab.devops.example.com", "ADDRESS": "192.0.2.1", "KEEP_DATA": "false"}
    machine.files(
        {name: name for name in ("certificate.pem", "key.pem", "ca.pem")}
        | {"gitlab.sh": machine.moved(GITLAB / "gitlab.sh")}
    )
    old, new = machine.root / "srv/gitlab", machine.root / "srv/other"
    for data in (old, new):
        for step in ("data", "certificates"):
            done = machine.step(GITLAB / f"{step}.sh", DATA=str(data), BEGUN="yes", **variables)
            assert done.returncode == 0, done.stderr
        if data == old:
            old.rename(new)
    for step in ("certificates-remove", "data-remove"):
        done = machine.step(GITLAB / f"{step}.sh", DATA=str(new), BEGUN="yes", **variables)
        assert done.returncode == 0, done.stderr
    assert remembered(machine.state) == []


def test_gitlabs_own_key_is_not_taken_for_somebodys(machine: Rooted) -> None:
    """With gitlab.keepData the stack's former key comes back as if it were the user's."""
    machine.fake("docker", "true")
    variables = {"NAME": "gitlab.devops.example.com", "ADDRESS": "192.0.2.1", "KEEP_DATA": "true"}
    machine.files(
        {name: name for name in ("certificate.pem", "key.pem", "ca.pem")}
        | {"gitlab.sh": machine.moved(GITLAB / "gitlab.sh")}
    )
    old, new = machine.root / "srv/gitlab", machine.root / "srv/other"
    for data in (old, new):
        for step in ("data", "certificates"):
            assert machine.step(GITLAB / f"{step}.sh", DATA=str(data), BEGUN="yes", **variables).returncode == 0
        if data == old:
            old.rename(new)
    for step in ("certificates-remove", "data-remove"):
        assert machine.step(GITLAB / f"{step}.sh", DATA=str(new), BEGUN="yes", **variables).returncode == 0
    assert not (new / "config/ssl/gitlab.devops.example.com.key").exists()


def test_a_containerd_that_did_not_run_does_not_run_again(tmp_path: Path) -> None:
    """Somebody's, disabled and stopped when the node began."""
    node = Node(tmp_path / "node")
    enabled, active = node.root / "containerd-enabled", node.root / "containerd-active"
    node.fake(
        "systemctl",
        f"""case "$*" in
    *is-active*containerd) [ -e {active} ] ;;
    *is-enabled*containerd) [ -e {enabled} ] ;;
    "enable -q containerd") touch {enabled} ;;
    "restart containerd") touch {active} ;;
    "stop containerd") rm -f {active} ;;
    "disable -q containerd") rm -f {enabled} ;;
    "start containerd") touch {active} ;;
    *is-active* | *is-enabled*) false ;;
    esac""",
    )
    node.fake("ctr", f"[ -e {active} ]")
    node.prepare()
    assert active.exists() and enabled.exists()
    node.remove()
    assert not active.exists() and not enabled.exists(), "somebody's containerd runs now, and starts at each boot"
