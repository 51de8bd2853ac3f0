"""Why there is no connection to a machine, and what to do.

Owns: what each failure of SSH means. Does not own dialling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncssh
from asyncssh.public_key import decode_ssh_public_key

from components.host import Finding
from names import bracketed
from settings.machines import Jump


class NotReached(Exception):
    """No connection; `finding` says why. `passing`: a machine that is just coming up fails like this."""

    def __init__(self, finding: Finding, *, passing: bool = False) -> None:
        super().__init__(finding.found)
        self.finding, self.passing = finding, passing


@dataclass(frozen=True)
class Server:
    """An sshd on the way to `machine`, or its own; `setting` is where the settings have it, `jump` is before it."""

    machine: str
    address: str
    port: int
    user: str
    setting: str
    jump: Jump | None = None

    @property
    def place(self) -> str:
        """Its address and port."""
        return f"{bracketed(self.address)}:{self.port}"

    @property
    def whose(self) -> str:
        """Whose it is, for people."""
        return self.machine if self.setting == f"hosts.{self.machine}" else f"the jump host of {self.machine}"

    @property
    def command(self) -> str:
        """How a person would try it."""
        jump = f"-J {self.jump.user}@{bracketed(self.jump.address)}:{self.jump.port} " if self.jump else ""
        return f"ssh {jump}-p {self.port} {self.user}@{self.address}"

    def refused(self, found: str, wanted: str, fix: str, *, passing: bool = False) -> NotReached:
        """No connection, for that reason."""
        return NotReached(Finding(self.machine, "refused", "SSH", found, wanted, fix), passing=passing)


def no_such_key(server: Server, kind: str, offered: str) -> NotReached:
    """The server has other kinds of host key, and not the pinned one."""
    found = f"no host key of type {kind} at {server.place}, which has {offered}"
    fix = f"pin one of its keys: ssh-keyscan -p {server.port} {server.address}; compare with /etc/ssh there"
    return server.refused(found, "the pinned host key", fix)


def explained(
    server: Server,
    error: Exception,
    seconds: float,
    pinned: asyncssh.SSHKey,
    other: asyncssh.SSHKey | None,
    keys: Sequence[asyncssh.SSHKeyPair | asyncssh.SSHKey],
) -> NotReached:
    """What `error` means; `other` is the host key that the server had, `keys` are ours."""
    place, whose = server.place, server.whose
    match error:
        case ConnectionRefusedError():
            fix = f"start sshd there, or say where it is: {server.setting}.address, {server.setting}.port"
            return server.refused(f"connection refused by {place}", f"sshd of {whose}", fix, passing=True)
        case TimeoutError():
            found, wanted = f"no answer from {place} within {seconds:.0f} s", f"sshd of {whose}, within reach"
            fix = f"is it switched on, and no firewall in between? {server.command}"
            return server.refused(found, wanted, fix, passing=True)
        case asyncssh.ChannelOpenError():
            found, wanted = f"{place} cannot be reached from the jump host: {error.reason}", f"sshd of {whose}"
            return server.refused(found, wanted, server.command, passing=True)
        case OSError() if not isinstance(error, ConnectionError):
            found, wanted = f"{place} cannot be reached: {error.strerror or error}", f"a way to {whose} from here"
            fix = f"{server.setting}.address; on this computer: ip route get {server.address}"
            return server.refused(found, wanted, fix, passing=True)
        case asyncssh.HostKeyNotVerifiable():
            found = f"another host key at {place}: {other.get_fingerprint() if other else error}"
            fix = f"is that still {whose}? Compare with /etc/ssh/ssh_host_*_key.pub there, then pin that key"
            return server.refused(found, f"the pinned one: {pinned.get_fingerprint()}", fix)
        case asyncssh.KeyExchangeFailed() if "host key" in str(error):
            return no_such_key(server, pinned.get_algorithm(), str(error).rpartition("received ")[2])
        case asyncssh.PermissionDenied():
            found = f"the key was refused for {server.user} at {place}"
            wanted = f"the login {server.user} to have the key that the settings name"
            ours = [_public(key) for key in keys] or ["a key, of which there is none here"]
            fix = f"on {whose}, in ~{server.user}/.ssh/authorized_keys: {' or '.join(ours)}"
            return server.refused(found, wanted, fix)
        case _:
            # sshd hangs up at once while it has too many unfinished logins (MaxStartups), and where a ban is in force.
            fix = f"{server.command}; on {whose}: journalctl -u ssh -n 20"
            found = f"the connection to {place} ended: {error}"
            return server.refused(found, "sshd to go on with the login", fix, passing=True)


def _public(key: asyncssh.SSHKeyPair | asyncssh.SSHKey) -> str:
    """A public key as authorized_keys has it."""
    if isinstance(key, asyncssh.SSHKey):
        text = key.export_public_key().decode()
    else:
        text = decode_ssh_public_key(key.public_data).export_public_key().decode()
    return " ".join(text.split()[:2])
