"""One connection to one machine, by its pinned host key, for commands that only look.

Owns: dialling, and what a failure to connect or to become root means. Does not own what is run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import cache

import asyncssh

from components.host import Finding
from names import bracketed
from settings.machines import Machine

DIAL_SECONDS = 8.0
"""For one attempt: TCP, keys and login."""
PAUSE_SECONDS = 1.0
COMMAND_SECONDS = 30.0

# What a pinned type of key is called in the negotiation (RFC 8332 for RSA).
ALGORITHMS = {"ssh-rsa": ["rsa-sha2-512", "rsa-sha2-256"]}

Tell = Callable[[str], None]
"""Takes what is awaited of the machine."""


class NotReached(Exception):
    """No connection; `finding` says why. `passing`: a machine that is just coming up fails like this."""

    def __init__(self, finding: Finding, *, passing: bool = False) -> None:
        super().__init__(finding.found)
        self.finding, self.passing = finding, passing


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
        # Where sshd is to be, then where it is before it moves.
        ports = [machine.port, *([machine.moves_from] if machine.moves_from else [])]
        for port in ports:
            try:
                return await _dial(machine, port)
            except NotReached as error:
                last = error
                if not error.passing:
                    raise
        if time.monotonic() >= limit:
            raise last
        tell(f"waiting for SSH: {last.finding.found}")
        await asyncio.sleep(PAUSE_SECONDS)


@cache
def _private_key(text: str, passphrase: str | None) -> asyncssh.SSHKey:
    """Opened once, which takes a quarter of a second where it has a passphrase."""
    return asyncssh.import_private_key(text, passphrase)


async def _dial(machine: Machine, port: int) -> asyncssh.SSHClientConnection:
    kind, _, _ = machine.host_key.partition(" ")
    client = _Client()
    pinned = asyncssh.import_public_key(machine.host_key)
    try:
        return await asyncio.wait_for(
            asyncssh.connect(
                machine.address,
                port,
                username=machine.user,
                client_factory=lambda: client,
                client_keys=[_private_key(machine.private_key, machine.passphrase)],
                known_hosts=([pinned], [], []),
                server_host_key_algs=ALGORITHMS.get(kind, [kind]),
                preferred_auth="publickey",
                # Nothing of the user's OpenSSH: the settings say everything, for the program as for this.
                config=None,
                agent_path=None,
                x509_trusted_certs=None,
            ),
            DIAL_SECONDS,
        )
    except (asyncssh.ConnectionLost, ConnectionResetError, BrokenPipeError) as error:
        # Also how sshd ends it where it has no key of the kind: it may be gone before its own list of kinds is read.
        raise await _other_kind(machine, port) or _explained(machine, port, error, None) from None
    except (OSError, TimeoutError, asyncssh.Error) as error:
        raise _explained(machine, port, error, client.other) from None


async def _other_kind(machine: Machine, port: int) -> NotReached | None:
    """Says that the server has keys, but none of the pinned kind; None where that is not so."""
    kind = machine.host_key.partition(" ")[0]

    async def key(algorithms: Sequence[str] | tuple[()]) -> asyncssh.SSHKey | None:
        try:
            asked = asyncssh.get_server_host_key(machine.address, port, server_host_key_algs=algorithms, config=None)
            return await asyncio.wait_for(asked, DIAL_SECONDS)
        except (OSError, TimeoutError, asyncssh.Error):
            return None

    other = await key(())
    if other is None or await key(ALGORITHMS.get(kind, [kind])) is not None:
        return None
    return _no_such_key(machine, port, other.get_algorithm())


def _no_such_key(machine: Machine, port: int, offered: str) -> NotReached:
    kind = machine.host_key.partition(" ")[0]
    found = f"no host key of type {kind} at {bracketed(machine.address)}:{port}, which has {offered}"
    fix = f"pin one of its keys: ssh-keyscan -p {port} {machine.address}; compare with /etc/ssh there"
    return NotReached(Finding(machine.name, "refused", "SSH", found, "the pinned host key", fix))


def _explained(machine: Machine, port: int, error: Exception, other: asyncssh.SSHKey | None) -> NotReached:
    """What `error` means, and what to do."""
    where, name = f"{bracketed(machine.address)}:{port}", machine.name
    here = f"ssh -p {port} {machine.user}@{machine.address}"

    def found(what: str, wanted: str, fix: str, *, passing: bool = False) -> NotReached:
        return NotReached(Finding(name, "refused", "SSH", what, wanted, fix), passing=passing)

    match error:
        case ConnectionRefusedError():
            wanted = f"sshd of {name} to listen there"
            fix = f"start sshd on {name}, or say where it is: hosts.{name}.address, hosts.{name}.port"
            return found(f"connection refused by {where}", wanted, fix, passing=True)
        case TimeoutError():
            wanted = f"sshd of {name}, reachable from this computer"
            fix = f"is {name} switched on, and no firewall in between? {here}"
            return found(f"no answer from {where} within {DIAL_SECONDS:.0f} s", wanted, fix, passing=True)
        case OSError() if not isinstance(error, ConnectionError):
            wanted = f"a way to {name} from this computer"
            fix = f"hosts.{name}.address; on this computer: ip route get {machine.address}"
            return found(f"{where} cannot be reached: {error.strerror or error}", wanted, fix, passing=True)
        case asyncssh.HostKeyNotVerifiable():
            answered = other.get_fingerprint() if other else "another one"
            pinned = asyncssh.import_public_key(machine.host_key).get_fingerprint()
            fix = (
                f"is {machine.address} still {name}? Compare with /etc/ssh/ssh_host_*_key.pub there, then pin that key"
            )
            return found(f"another host key at {where}: {answered}", f"the pinned one: {pinned}", fix)
        case asyncssh.KeyExchangeFailed() if "host key" in str(error):
            return _no_such_key(machine, port, str(error).rpartition("received ")[2].replace(",", ", "))
        case asyncssh.PermissionDenied():
            public = _private_key(machine.private_key, machine.passphrase).export_public_key().decode()
            wanted = f"the login {machine.user} to have the key of ssh.privateKeyFile or hosts.{name}.privateKeyFile"
            fix = f"on {name}, in ~{machine.user}/.ssh/authorized_keys: {' '.join(public.split()[:2])}"
            return found(f"the key was refused for {machine.user} at {where}", wanted, fix)
        case _:
            # sshd hangs up at once while it has too many unfinished logins (MaxStartups), and where a ban is in force.
            wanted, fix = "sshd to go on with the login", f"{here}; on {name}: journalctl -u ssh -n 20"
            return found(f"the connection to {where} ended: {error}", wanted, fix, passing=True)


async def run(connection: asyncssh.SSHClientConnection, command: str, stdin: str = "") -> tuple[int, str, str]:
    """Status, standard output and standard error of `command`. Raises TimeoutError after COMMAND_SECONDS."""
    work = connection.run(command, input=stdin, check=False, encoding="utf-8", errors="replace")
    done = await asyncio.wait_for(work, COMMAND_SECONDS)
    return done.returncode if done.returncode is not None else 0, str(done.stdout), str(done.stderr)


async def root(connection: asyncssh.SSHClientConnection, machine: Machine) -> Finding | None:
    """What keeps the login from becoming root; None where nothing does."""
    if machine.user == "root":
        return None
    status, _, said = await run(connection, "sudo -n true")
    if status == 0:
        return None
    user, name = machine.user, machine.name
    said = " ".join(said.split()) or f"status {status}"
    # sudo's own words; 1.9.13 of Debian 12 and 1.9.16 of Debian 13 have the same.
    if "must have a tty" in said:
        fix = f"on {name}, in /etc/sudoers.d: Defaults:{user} !requiretty"
    elif "not found" in said:
        fix = f"on {name}: apt-get install sudo; or set hosts.{name}.user to root"
    else:
        fix = f"on {name}, in /etc/sudoers.d: {user} ALL=(ALL) NOPASSWD: ALL"
    return Finding(name, "refused", "sudo", f"of {user}: {said}", "root without a password and without a terminal", fix)
