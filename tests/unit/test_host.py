"""How a machine is reached: the connection, becoming root, and what counts as a script's output."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.host.bundle import unpack
from components.host.command import printed
from components.host.shell import NO_ROOT, Script, bundle, command_line, first_line
from tests.scripts.machine import Machine
from tests.unit.program import Run, without
from tests.unit.recording import Secret, plain

COMMAND = "command:remote:Command"


@pytest.fixture
def one_machine(good: dict[str, Any]) -> dict[str, Any]:
    """Settings with the registry's machine only."""
    return without(good, "gitlab", "k8s", "dns") | {"dns": {"provider": "none"}}


# --- The connection


def test_a_jump_host_is_the_proxy_of_every_connection(
    run_program: Run, one_machine: dict[str, Any], host_key: str, keys: Path
) -> None:
    one_machine["ssh"]["jump"] = {"address": "bastion.example.com", "user": "jane", "port": 2200, "hostKey": host_key}
    commands = run_program(one_machine).of_type(COMMAND)
    assert len(commands) > 3
    for command in commands:
        connection = command.inputs["connection"]
        assert isinstance(connection, Secret), command.name
        assert plain(connection)["proxy"] == {
            "host": "bastion.example.com",
            "port": 2200,
            "user": "jane",
            "privateKey": (keys / "id").read_text(),
            "hostKey": " ".join(host_key.split()[:2]),
            "dialErrorLimit": 15,
            "perDialTimeout": 5,
        }, command.name


def test_nothing_of_a_session_is_in_a_connection_by_agent(
    run_afresh: Run, one_machine: dict[str, Any], agent: str
) -> None:
    """Where the agent's socket is differs from session to session, and a change would run every script again."""
    del one_machine["ssh"]["privateKeyFile"]
    one_machine["ssh"]["agent"] = True
    for command in run_afresh(one_machine).of_type(COMMAND):
        connection = plain(command.inputs["connection"])
        assert connection.keys().isdisjoint({"privateKey", "privateKeyPassword", "agentSocketPath"}), command.name
        assert agent not in str(connection)


# --- Becoming root


def first_command(machine: Machine, sudo: str, files: Mapping[str, str] = NO_ROOT) -> subprocess.CompletedProcess[str]:
    """Runs the first command on a machine whose sudo does this."""
    machine.fake("sudo", sudo)
    install = machine.root / "install.sh"
    install.touch()
    line = first_line(command_line("web-ready", "install", "ops", {}), "ops")
    return subprocess.run(
        shlex.split(line),
        env={"PATH": f"{machine.root}/bin:/usr/bin:/bin"},
        input=bundle(Script(install), files),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize(
    ("sudo", "found", "fix"),
    [
        ("echo 'sudo: a password is required' >&2; exit 1", "a password is required", "ALL=(ALL) NOPASSWD: ALL' >>"),
        ("echo 'sudo: sorry, you must have a tty to run sudo' >&2; exit 1", "(requiretty)", " !requiretty' >>"),
        ("echo 'ops is not in the sudoers file.' >&2; exit 1", "not in the sudoers file", "NOPASSWD: ALL' >>"),
        ("echo 'sh: 1: sudo: not found' >&2; exit 127", "no sudo", "apt-get install sudo && echo"),
    ],
    ids=["password", "requiretty", "not in sudoers", "no sudo"],
)
def test_what_sudo_refuses_is_explained_before_anything_is_done(
    tmp_path: Path, sudo: str, found: str, fix: str
) -> None:
    machine = Machine(tmp_path / "machine")
    done = first_command(machine, sudo)
    assert done.returncode == 1
    first, expected, last = done.stderr.splitlines()
    assert first.startswith("error on ") and found in first
    assert expected.startswith("  expected: ")
    assert last.startswith("  fix:      as root on ") and fix in last
    assert last.count("/etc/sudoers.d/90-auto-devops-") == 1
    assert machine.calls == ["sudo -n env true"]


def test_a_refusal_that_nothing_explains_is_a_failure_too(tmp_path: Path) -> None:
    assert first_command(Machine(tmp_path / "machine"), "exit 1", files={}).returncode == 1


def test_a_sudo_that_works_gets_the_script_and_its_bundle(tmp_path: Path) -> None:
    """Asking it before reads nothing of the bundle: with a pseudo-terminal, sudo reads what its command does not."""
    machine = Machine(tmp_path / "machine")
    done = first_command(machine, f"cat >{tmp_path}/read-$(wc -l <{machine.root}/calls)")
    assert done.returncode == 0, done.stderr
    asked, ran = machine.calls
    assert asked == "sudo -n env true"
    assert ran.startswith("sudo -n env sh -c ") and ran.endswith(" auto-devops web-ready install")
    assert (tmp_path / "read-1").read_text() == ""
    assert "install.sh" in unpack((tmp_path / "read-2").read_text())


# --- A script's output


@pytest.mark.parametrize("text", ["one\ntwo\n", "no line break", "", "\n\nspace around\n\n"])
def test_a_login_shell_that_prints_changes_no_output(tmp_path: Path, text: str) -> None:
    """bash reads ~/.bashrc for a command that comes by SSH (Debian's is built with SSH_SOURCE_BASHRC)."""
    (tmp_path / "install.sh").write_text(f"printf %s {shlex.quote(text)}\n")
    (tmp_path / ".bashrc").write_text("echo Welcome to $HOME\nprintf '%s' 'no end: '\n")
    for name, content in unpack(bundle(Script(tmp_path / "install.sh"), {})).items():
        here = content.replace("/run/lock/", f"{tmp_path}/").replace(
            "STATE=/var/lib/auto-devops", f"STATE={tmp_path}/s"
        )
        (tmp_path / name).write_text(here)
    done = subprocess.run(
        ["bash", "-c", f"bash {tmp_path}/run.sh web install; echo bye"],
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "SSH_CLIENT": "192.0.2.1 1 22"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"Welcome to {tmp_path}\nno end: ") and done.stdout.endswith("bye\n"), done.stdout
    # The plugin takes the last line break away, and so did what is in a state from before there were marks.
    without_marks = text.removesuffix("\n")
    assert printed(done.stdout.removesuffix("\n")) == without_marks
    assert printed(without_marks) == without_marks
