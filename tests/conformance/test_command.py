"""Commands on a machine: a real sshd on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi_command import remote

from tests.conformance.conftest import Start
from tests.conformance.engine import Program

PROVIDER = "command"
SSHD = Path("/usr/sbin/sshd")


@dataclass
class Machine:
    """An sshd that lets root in with one key, and knows two kinds of key of its own."""

    root: Path
    port: int

    @property
    def private_key(self) -> str:
        return (self.root / "id").read_text()

    def host_key(self, kind: str = "ed25519") -> str:
        return " ".join((self.root / f"host_{kind}.pub").read_text().split()[:2])

    def connection(self, **more: Any) -> remote.ConnectionArgs:
        given: dict[str, Any] = {"private_key": self.private_key, "host_key": self.host_key(), "port": self.port}
        return remote.ConnectionArgs(host="127.0.0.1", user="root", dial_error_limit=2, **(given | more))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    root = tmp_path_factory.mktemp("sshd")
    for name, kind in (("id", "ed25519"), ("other", "ed25519"), ("host_ed25519", "ed25519"), ("host_ecdsa", "ecdsa")):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", root / name], check=True)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    configuration = root / "sshd_config"
    configuration.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {root}/host_ed25519\nHostKey {root}/host_ecdsa\n"
        f"AuthorizedKeysFile {root}/id.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\nPidFile none\n"
        "PasswordAuthentication no\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", configuration], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.05)
    yield Machine(root, port)
    process.terminate()
    process.wait()


pytestmark = pytest.mark.skipif(os.geteuid() != 0 or not SSHD.exists(), reason="needs openssh-server and root")


def command(machine: Machine, *, connection: remote.ConnectionArgs | None = None, **given: Any) -> Program:
    def program() -> None:
        made = remote.Command(
            "command", connection=connection or machine.connection(), add_previous_output_in_env=False, **given
        )
        pulumi.export("stdout", made.stdout)
        pulumi.export("stderr", made.stderr)

    return program


def noting(machine: Machine, tmp_path: Path) -> Callable[..., Program]:
    """Commands that note their name in a file, in order."""
    log = tmp_path / "log"

    def program(create: str = "create", update: str | None = "update", **given: Any) -> Program:
        words = {"create": create, "update": update, "delete": "delete"}
        lines: dict[str, Any] = {step: f"echo {word} >>{log}" for step, word in words.items() if word}
        return command(machine, **lines, **given)

    return program


@pytest.mark.full
def test_what_a_command_prints_are_its_outputs(start: Start, machine: Machine) -> None:
    stack = start(command(machine, create="cat; echo told >&2; printf 'a\\nb\\n'", stdin="given\n"))
    outputs = stack.up().outputs
    assert outputs["stdout"] == "given\na\nb"
    assert outputs["stderr"] == "told"


def test_each_step_runs_once_and_in_its_time(start: Start, machine: Machine, tmp_path: Path) -> None:
    program = noting(machine, tmp_path)
    stack = start(program())
    assert stack.up().operations["command"] == "create"
    assert stack.up().operations["command"] == "same"
    assert stack.up(program(create="another")).operations["command"] == "update"
    assert stack.destroy().operations["command"] == "delete"
    assert (tmp_path / "log").read_text().split() == ["create", "update", "delete"]


@pytest.mark.full
def test_without_an_update_the_creation_runs_again(start: Start, machine: Machine, tmp_path: Path) -> None:
    program = noting(machine, tmp_path)
    stack = start(program(update=None))
    stack.up()
    assert stack.up(program(update=None, stdin="more")).operations["command"] == "update"
    assert (tmp_path / "log").read_text().split() == ["create", "create"]


@pytest.mark.full
def test_another_trigger_replaces_and_the_new_comes_first(start: Start, machine: Machine, tmp_path: Path) -> None:
    program = noting(machine, tmp_path)
    stack = start(program(triggers=["one"]))
    stack.up()
    assert "replace" in stack.up(program(triggers=["two"])).operations["command"]
    assert (tmp_path / "log").read_text().split() == ["create", "create", "delete"]


@pytest.mark.full
def test_another_way_to_the_machine_replaces_nothing(start: Start, machine: Machine, tmp_path: Path) -> None:
    program = noting(machine, tmp_path)
    stack = start(program())
    stack.up()
    other = machine.connection(host_key=machine.host_key("ecdsa"))
    assert stack.up(program(connection=other)).operations["command"] == "update"


@pytest.mark.full
def test_a_command_that_fails_says_what_it_said(start: Start, machine: Machine) -> None:
    said = start(command(machine, create="echo the reason >&2; exit 3")).failure()
    assert "the reason" in said
    assert "3" in said


@pytest.mark.full
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa"])
def test_the_pinned_host_key_is_the_one_that_is_asked_for(start: Start, machine: Machine, kind: str) -> None:
    connection = machine.connection(host_key=machine.host_key(kind))
    assert start(command(machine, connection=connection, create="echo in")).up().outputs["stdout"] == "in"


@pytest.mark.full
def test_another_host_key_ends_it(start: Start, machine: Machine) -> None:
    other = " ".join((machine.root / "other.pub").read_text().split()[:2])
    said = start(command(machine, connection=machine.connection(host_key=other), create="true")).failure()
    assert "host key" in said.lower() or "key mismatch" in said.lower() or "handshake" in said.lower()


@pytest.mark.full
def test_another_private_key_is_refused(start: Start, machine: Machine) -> None:
    other = machine.connection(private_key=(machine.root / "other").read_text())
    assert "unable to authenticate" in start(command(machine, connection=other, create="true")).failure()


@pytest.mark.full
def test_the_private_key_and_secret_input_are_secret_in_the_state(start: Start, machine: Machine) -> None:
    def program() -> None:
        connection = machine.connection(private_key=pulumi.Output.secret(machine.private_key))
        stdin = pulumi.Output.secret("a password")
        remote.Command("command", connection=connection, create="wc -c", stdin=stdin)

    stack = start(program)
    stack.up()
    assert machine.private_key.splitlines()[1] not in stack.text()
    assert "a password" not in stack.text()
