"""What somebody has moved, stopped or had before, on the machines of GitLab, its runner and the cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.gitlab import server
from tests.scripts.kubernetes.test_give_back import Node
from tests.scripts.machine import ROOT, remembered
from tests.scripts.rooted import Rooted

RUNNER = ROOT / "components/gitlab_runner/scripts"
OURS = '  token = "glrt-ourownxxxxxx"\n'
THEIRS = '[[runners]]\n  token = "glrt-theirsxxxxxxxx"\n'


@pytest.fixture
def machine(tmp_path: Path) -> Rooted:
    return Rooted(tmp_path / "machine")


def runner_beside_theirs(machine: Rooted) -> None:
    """The runner's files, and an engine in which somebody else's runner has a cache and a job."""
    machine.files(dict.fromkeys(("ca.crt", "ca.pem", "cert.pem", "key.pem", "volumes"), "") | {"config.toml": OURS})
    machine.fake(
        "docker",
        """case "$*" in
    "volume ls --filter label="*) echo "theirsxxx runner-theirs-cache" ;;
    "ps --all --quiet --filter "*=theirsxxx) echo their-job ;;
    esac""",
    )
    machine.fake("dockerd", "true")


def test_registrations_of_an_adopted_runner_are_not_ours(machine: Rooted) -> None:
    """The first run ended before it placed config.toml; the next takes the user's for its own, and their volumes."""
    machine.write("srv/gitlab-runner/config.toml", THEIRS)
    runner_beside_theirs(machine)
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


def moved(machine: Rooted, keep_data: str) -> Path:
    """GitLab's data in another directory than at first, moved as data.sh says; then the stack goes. That directory."""
    old, new = machine.root / "srv/gitlab", machine.root / "srv/other"
    server.run(machine, old, server.INSTALL, KEEP_DATA=keep_data)
    old.rename(new)
    server.run(machine, new, [*server.INSTALL, *server.REMOVE], KEEP_DATA=keep_data)
    return new


def test_gitlabs_data_in_another_directory(machine: Rooted) -> None:
    """At the end nothing of the stack's own is remembered any more."""
    moved(machine, "false")
    assert remembered(machine.state) == []


def test_gitlabs_own_key_is_not_taken_for_somebodys(machine: Rooted) -> None:
    """With gitlab.keepData the stack's former key came back as if it were the user's."""
    assert not (moved(machine, "true") / "config/ssl/gitlab.devops.example.com.key").exists()


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
