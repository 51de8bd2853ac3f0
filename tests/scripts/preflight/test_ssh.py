"""The preflight's connections, against a real sshd: what each failure to connect is called, and what to do."""

from __future__ import annotations

import contextlib
import getpass
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from components.host import Finding
from preflight import ssh
from preflight.failures import NotReached
from settings.machines import Jump, Machine
from tests.scripts.preflight import sshd as real
from tests.scripts.preflight.sshd import Sshd

pytestmark = pytest.mark.skipif(not real.available(), reason="needs openssh-server and openssh-client")


def said(machine: Machine, command: str, stdin: str = "", patience: float = 0, told: list[str] | None = None) -> str:
    """What a command prints on the machine."""

    async def run() -> str:
        connection = await ssh.connect(machine, patience, (told if told is not None else []).append)
        try:
            return (await ssh.run(connection, command, stdin))[1]
        finally:
            connection.close()

    return real.finished(run())


def refused(machine: Machine) -> Finding:
    """Why there is no connection to the machine."""
    with pytest.raises(NotReached) as caught:
        said(machine, "true")
    assert caught.value.finding.level == "refused" and caught.value.finding.machine == machine.name
    return caught.value.finding


def test_a_command_runs_with_its_input(sshd: Sshd) -> None:
    assert said(sshd.machine, "cat; id -un", "given\n") == f"given\n{getpass.getuser()}\n"


def test_an_encrypted_key_is_opened(sshd: Sshd) -> None:
    key = serialization.load_ssh_private_key((sshd.machine.private_key or "").encode(), None)
    # In one round, where OpenSSH's 16 cost a quarter of a second to make and to open.
    encryption = serialization.PrivateFormat.OpenSSH.encryption_builder().kdf_rounds(1).build(b"right")
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, encryption).decode()
    assert said(sshd.other(private_key=locked, passphrase="right"), "echo in") == "in\n"


def test_nobody_listens(sshd: Sshd) -> None:
    port = real.free_port()
    found = refused(sshd.other(port=port))
    assert found.found == f"connection refused by 127.0.0.1:{port}"
    assert "hosts.here.port" in found.fix


def test_a_machine_that_is_silent(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh, "DIAL_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = refused(sshd.other(port=port))
    assert found.found.startswith(f"no answer from 127.0.0.1:{port} within")


def test_who_hangs_up_at_once(sshd: Sshd) -> None:
    """As sshd does where too many logins are unfinished, or a ban is in force."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with contextlib.suppress(OSError):  # the test is over
                while True:
                    server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        found = refused(sshd.other(port=server.getsockname()[1]))
    assert "ended" in found.found and "journalctl -u ssh" in found.fix


def test_another_host_key(sshd: Sshd, tmp_path: Path) -> None:
    other = real.keypair(tmp_path, "other")[1]
    found = refused(sshd.other(host_key=other))
    assert "another host key" in found.found and "SHA256:" in found.found and "SHA256:" in found.wanted
    assert found.found.rpartition(" ")[2] != found.wanted.rpartition(" ")[2]


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_no_host_key_of_the_pinned_kind(sshd: Sshd, tmp_path: Path, kind: str) -> None:
    public = real.keypair(tmp_path, "other", kind)[1]
    found = refused(sshd.other(host_key=public))
    assert f"no host key of type {public.split()[0]}" in found.found and "ssh-ed25519" in found.found
    assert "ssh-keyscan" in found.fix


def test_a_key_that_the_login_does_not_have(sshd: Sshd, tmp_path: Path) -> None:
    private, public = real.keypair(tmp_path, "stranger")
    found = refused(sshd.other(private_key=private))
    assert f"refused for {getpass.getuser()}" in found.found
    assert public.split()[1] in found.fix and "authorized_keys" in found.fix


def test_the_old_port_before_sshd_moves(sshd: Sshd) -> None:
    moving = sshd.other(port=real.free_port(), moves_from=sshd.machine.port)
    assert said(moving, "echo in") == "in\n"


def test_the_new_port_once_sshd_has_moved(sshd: Sshd) -> None:
    moved = sshd.other(moves_from=real.free_port())
    assert said(moved, "echo in") == "in\n"


def test_a_machine_that_is_just_booting_is_waited_for(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "PAUSE_SECONDS", 0.1)
    port, told = real.free_port(), list[str]()
    late = []

    def boot() -> None:
        time.sleep(0.5)
        late.append(socket.create_server(("127.0.0.1", port)))
        there, _ = late[0].accept()
        relay(there, sshd.machine.port)

    threading.Thread(target=boot, daemon=True).start()
    try:
        assert said(sshd.other(port=port), "echo in", patience=20, told=told) == "in\n"
    finally:
        for server in late:
            server.close()
    assert told[0] == f"waiting for SSH: connection refused by 127.0.0.1:{port}"


def test_a_wrong_key_is_not_waited_for(sshd: Sshd, tmp_path: Path) -> None:
    """Each try would count against a ban."""
    started = time.monotonic()
    with pytest.raises(NotReached):
        said(sshd.other(private_key=real.keypair(tmp_path, "stranger")[0]), "true", patience=30)
    assert time.monotonic() - started < 10


def relay(client: socket.socket, port: int) -> None:
    """Hands on what comes to `client` to this computer's `port`, and back."""
    server = socket.create_connection(("127.0.0.1", port))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.close()

    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    threading.Thread(target=pump, args=(client, server), daemon=True).start()


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("sudo: a password is required", "NOPASSWD"),
        ("sudo: sorry, you must have a tty to run sudo", "!requiretty"),
        ("ops is not in the sudoers file.", "NOPASSWD"),
        ("bash: sudo: command not found", "apt-get install sudo"),
    ],
)
def test_what_keeps_a_login_from_becoming_root(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str, fix: str
) -> None:
    """sudo as it says no, on the machine that is this computer."""

    async def ask() -> Finding | None:
        connection = await ssh.connect(sshd.machine, 0, print)
        run = ssh.run

        async def with_fake(connection: object, command: str, *rest: object) -> tuple[int, str, str]:
            assert command == "LC_ALL=C sudo -n true"
            return await run(connection, f"sh -c 'echo \"{words}\" >&2; exit 1'")  # type: ignore[arg-type]

        monkeypatch.setattr(ssh, "run", with_fake)
        try:
            return await ssh.root(connection, sshd.other(user="ops"))
        finally:
            connection.close()

    found = real.finished(ask())
    assert found is not None and found.what == "sudo" and words in found.found and fix in found.fix


def test_root_needs_no_sudo(sshd: Sshd) -> None:
    assert real.finished(ssh.root(None, sshd.other(user="root"))) is None  # type: ignore[arg-type]


def behind(sshd: Sshd, *, port: int | None = None, host_key: str | None = None) -> Machine:
    """This computer, at `port`, through itself, where `host_key` is pinned."""
    there = sshd.machine
    jump = Jump(there.address, there.user, there.port, there.private_key, there.passphrase, host_key or there.host_key)
    return sshd.other(jump=jump, port=port or there.port)


def test_through_a_jump_host(sshd: Sshd) -> None:
    assert said(behind(sshd), 'echo "${SSH_CONNECTION%% *}"') == "127.0.0.1\n"


def test_a_jump_host_with_another_key(sshd: Sshd, tmp_path: Path) -> None:
    found = refused(behind(sshd, host_key=real.keypair(tmp_path, "other")[1]))
    assert "another host key" in found.found and "is that still the jump host of here?" in found.fix


def test_a_machine_that_the_jump_host_does_not_reach(sshd: Sshd) -> None:
    found = refused(behind(sshd, port=real.free_port()))
    assert (
        "from the jump host" in found.found and f"ssh -J {getpass.getuser()}@127.0.0.1:{sshd.machine.port}" in found.fix
    )


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An SSH agent of the session, without a key."""
    socket_file = tmp_path / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket_file)], stdout=subprocess.DEVNULL)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(socket_file))
    limit = time.monotonic() + 10
    while not socket_file.exists():
        assert time.monotonic() < limit
        time.sleep(0.02)
    yield socket_file
    process.terminate()
    process.wait(10)


def test_a_key_that_only_the_agent_has(sshd: Sshd, agent: Path) -> None:
    machine = sshd.other(private_key=None)
    assert "of which there is none here" in refused(machine).fix
    subprocess.run(["ssh-add", "-q", "-"], input=sshd.machine.private_key, text=True, check=True)
    assert said(machine, "echo in") == "in\n"


def test_a_key_of_the_agents_that_the_login_does_not_have(sshd: Sshd, agent: Path, tmp_path: Path) -> None:
    private, public = real.keypair(tmp_path, "stranger")
    subprocess.run(["ssh-add", "-q", "-"], input=private, text=True, check=True)
    assert public.split()[1] in refused(sshd.other(private_key=None)).fix
