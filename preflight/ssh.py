"""One connection to one machine, by its pinned host key, for commands that only look.

Owns: dialling, through a jump host if there is one, and becoming root. What a failure means is in `failures`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from functools import cache

import asyncssh

from components.host import Finding
from preflight.failures import NotReached, Server, explained, no_such_key
from settings.machines import Jump, Machine

DIAL_SECONDS = 8.0
"""For one attempt: TCP, keys and login."""
PAUSE_SECONDS = 1.0
COMMAND_SECONDS = 30.0

# What a pinned type of key is called in the negotiation (RFC 8332 for RSA).
ALGORITHMS = {"ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"]}

Tell = Callable[[str], None]
"""Takes what is awaited of the machine."""


class _Client(asyncssh.SSHClient):
    """Remembers which key a server has that is not the pinned one."""

    other: asyncssh.SSHKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.other = key
        return False


async def connect(machine: Machine, patience: float, tell: Tell) -> asyncssh.SSHClientConnection:
    """A connection to `machine`; waits up to `patience` seconds for one that is just coming up. Raises NotReached."""
    limit = time.monotonic() + patience
    while True:
        try:
            return await _once(machine)
        except NotReached as error:
            if not error.passing or time.monotonic() >= limit:
                raise
            tell(f"waiting for SSH: {error.finding.found}")
        await asyncio.sleep(PAUSE_SECONDS)


async def _once(machine: Machine) -> asyncssh.SSHClientConnection:
    name = machine.name
    jump = machine.jump
    tunnel = None
    if jump:
        tunnel = await _dial(Server(name, jump.address, jump.port, jump.user, f"hosts.{name}.jump"), jump, None)
    # Where sshd is to be, then where it is before it moves.
    ports = [machine.port, *([machine.moves_from] if machine.moves_from else [])]
    for port in ports:
        try:
            connection = await _dial(
                Server(name, machine.address, port, machine.user, f"hosts.{name}", jump), machine, tunnel
            )
        except NotReached as error:
            last = error
            if not error.passing:
                break
        else:
            if tunnel:
                connection.set_tunnel(tunnel)  # which ends with it
            return connection
    if tunnel:
        tunnel.close()
    raise last


@cache
def _private_key(text: str, passphrase: str | None) -> asyncssh.SSHKey:
    """Opened once, which takes a quarter of a second where it has a passphrase."""
    return asyncssh.import_private_key(text, passphrase)


async def _keys(private: str | None, passphrase: str | None) -> Sequence[asyncssh.SSHKeyPair | asyncssh.SSHKey]:
    """The key, or all that the agent has where the settings name none."""
    if private:
        return [_private_key(private, passphrase)]
    agent = await asyncssh.connect_agent(os.environ.get("SSH_AUTH_SOCK", ""))
    return list(await agent.get_keys())


async def _dial(
    server: Server, login: Machine | Jump, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """Connects to `server` with the keys of `login`, a machine or a jump host."""
    kind = login.host_key.partition(" ")[0]
    algorithms = ALGORITHMS.get(kind, [kind])
    pinned = asyncssh.import_public_key(login.host_key)
    client = _Client()
    keys: Sequence[asyncssh.SSHKeyPair | asyncssh.SSHKey] = ()
    try:
        keys = await _keys(login.private_key, login.passphrase)
        return await asyncio.wait_for(
            asyncssh.connect(
                server.address,
                server.port,
                tunnel=tunnel,
                username=login.user,
                client_factory=lambda: client,
                client_keys=list(keys) or None,
                known_hosts=([pinned], [], []),
                server_host_key_algs=algorithms,
                preferred_auth="publickey",
                # Nothing of the user's OpenSSH: the settings say everything, for the program as for this.
                config=None,
                agent_path=None,
                x509_trusted_certs=None,
            ),
            DIAL_SECONDS,
        )
    except (OSError, TimeoutError, asyncssh.Error) as error:
        if isinstance(error, asyncssh.ConnectionLost | ConnectionResetError | BrokenPipeError):
            # Also how sshd ends it where it has no key of the kind: it may be gone before its own list is read.
            other = await _other_kind(server, algorithms, tunnel)
            if other:
                raise no_such_key(server, kind, other) from None
        raise explained(server, error, DIAL_SECONDS, pinned, client.other, keys) from None


async def _other_kind(
    server: Server, algorithms: Sequence[str], tunnel: asyncssh.SSHClientConnection | None
) -> str | None:
    """The kind of a key that the server has, if it has none of `algorithms`."""

    async def key(wanted: Sequence[str]) -> asyncssh.SSHKey | None:
        asked = asyncssh.get_server_host_key(
            server.address, server.port, tunnel=tunnel or (), server_host_key_algs=wanted, config=None
        )
        try:
            return await asyncio.wait_for(asked, DIAL_SECONDS)
        except (OSError, TimeoutError, asyncssh.Error):
            return None

    other = await key(())
    if other is None or await key(algorithms) is not None:
        return None
    return other.get_algorithm()


async def run(connection: asyncssh.SSHClientConnection, command: str, stdin: str = "") -> tuple[int, str, str]:
    """Status, standard output and standard error of `command`. Raises TimeoutError after COMMAND_SECONDS."""
    work = connection.run(command, input=stdin, check=False, encoding="utf-8", errors="replace")
    done = await asyncio.wait_for(work, COMMAND_SECONDS)
    return done.returncode if done.returncode is not None else 0, str(done.stdout), str(done.stderr)


async def root(connection: asyncssh.SSHClientConnection, machine: Machine) -> Finding | None:
    """What keeps the login from becoming root; None where nothing does."""
    if machine.user == "root":
        return None
    status, _, said = await run(connection, "LC_ALL=C sudo -n true")
    if status == 0:
        return None
    user, name = machine.user, machine.name
    said = " ".join(said.split()) or f"status {status}"
    # sudo's own words, the same up to 1.9.17 at least.
    if "must have a tty" in said:
        fix = f"on {name}, in /etc/sudoers.d: Defaults:{user} !requiretty"
    elif "not found" in said:
        fix = f"on {name}: apt-get install sudo; or set hosts.{name}.user to root"
    else:
        fix = f"on {name}, in /etc/sudoers.d: {user} ALL=(ALL) NOPASSWD: ALL"
    return Finding(name, "refused", "sudo", f"of {user}: {said}", "root without a password and without a terminal", fix)
