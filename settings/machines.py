"""The machines, and how they are reached by SSH.

Owns the sections `ssh` and `hosts`, and what becomes of them: for each machine the key, the pinned host key and the way
there. Does not own what runs on a machine; where GitLab moves a machine's sshd is in `gitlab.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

from pydantic import Field, SecretStr

from names import SSH_PORT
from settings import files
from settings.host_keys import HostKey, Server
from settings.kinds import Address, AdoptableDirectory, LocalPath, Port, Section, UserName, matching
from settings.problems import Problem, Report, remove_command, set_command, shown

ReachableName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*",
        "a name or an IP address without user and port, such as bastion.example.com",
    ),
]


class JumpSettings(Section):
    """A machine between, through which others are reached by SSH, as by `ssh -J`."""

    address: ReachableName = Field(
        description="the name or IP address of the jump host", examples=["bastion.example.com"]
    )
    user: UserName | None = Field(None, description="the login there, instead of ssh.user", examples=["ubuntu"])
    port: Port = Field(SSH_PORT, description="the port of its sshd", examples=[22])
    private_key_file: LocalPath | None = Field(
        None, description="its private key's file, instead of what ssh has", examples=["~/.ssh/id_ed25519"]
    )
    passphrase: SecretStr | None = Field(None, description="the passphrase of that key, as a secret")
    host_key: HostKey | None = Field(
        None,
        description="its public host key, instead of looking it up in ssh.knownHostsFile",
        examples=["ssh-ed25519 AAAA..."],
    )

    def command(self, user: str) -> tuple[str, ...]:
        """What runs a command there, by hand; `user` is who logs in unless the settings say otherwise."""
        return ("ssh", "-p", str(self.port), f"{self.user or user}@{self.address}")


FindingName = Annotated[str, matching(r"[^:\x00-\x1f]+", "the name of a finding, such as memory (no colon in it)")]


class SshSettings(Section):
    """How to reach the machines, unless a machine says otherwise."""

    user: UserName = Field(
        "root", description="the login; other than root it needs passwordless sudo", examples=["ubuntu"]
    )
    port: Port = Field(SSH_PORT, description="the port of sshd", examples=[22])
    private_key_file: LocalPath = Field(
        cast(Path, "~/.ssh/id_ed25519"),
        validate_default=True,
        description="the private key's file",
        examples=["~/.ssh/id_ed25519"],
    )
    passphrase: SecretStr | None = Field(None, description="the private key's passphrase, as a secret")
    agent: bool = Field(
        False,
        description="true: the key is in the SSH agent of whoever runs Pulumi (SSH_AUTH_SOCK), and in no file",
        examples=["true"],
    )
    jump: JumpSettings | None = Field(None, description="a jump host; none: machines are reached directly")
    known_hosts_file: LocalPath = Field(
        cast(Path, "~/.ssh/known_hosts"),
        validate_default=True,
        description="where each machine's host key is pinned, in OpenSSH's format",
        examples=["~/.ssh/known_hosts"],
    )


class HostSettings(Section):
    """One machine."""

    address: Address = Field(description="the machine's own IP address", examples=["192.168.80.112"])
    user: UserName | None = Field(None, description="instead of ssh.user", examples=["ubuntu"])
    port: Port | None = Field(None, description="instead of ssh.port", examples=[22])
    private_key_file: LocalPath | None = Field(
        None, description="instead of ssh.privateKeyFile", examples=["~/.ssh/id_ed25519"]
    )
    passphrase: SecretStr | None = Field(None, description="instead of ssh.passphrase")
    host_key: HostKey | None = Field(
        None,
        description="the machine's public host key, instead of looking it up in ssh.knownHostsFile",
        examples=["ssh-ed25519 AAAA..."],
    )
    jump: JumpSettings | None = Field(None, description="a jump host, instead of ssh.jump")
    adopt: list[AdoptableDirectory] = Field(
        default_factory=list,
        description="directories on the machine with data that the stack did not begin, which it may use; "
        "`destroy` leaves them, whatever `keepData` says",
        examples=['["/srv/gitlab"]'],
    )
    ignore: list[FindingName] = Field(
        default_factory=list,
        description="what the checks before `up` may find on the machine without ending it, by the names that they "
        "report: a refusal becomes a warning",
        examples=['["memory"]'],
    )


Hosts = Mapping[str, HostSettings | None]
"""The machines by name; None for one whose own settings are wrong, so that references to it still resolve."""


@dataclass(frozen=True)
class Jump:
    """A machine between: everything resolved, as in `Machine`."""

    address: str
    user: str
    port: int
    private_key: str | None = field(repr=False)
    passphrase: str | None = field(repr=False)
    host_key: str


@dataclass(frozen=True)
class Machine:
    """What is needed to reach one machine: everything resolved, the key's text read. `host_key` is "type base64".

    Without a `private_key` the SSH agent has it. `adopt` are directories with data of somebody else's that the stack
    may use, `ignore` the findings that end nothing. Where sshd moves to `port`, `moves_from` is where it is at first;
    it stays there if `keeps_old_port`.
    """

    name: str
    address: str
    user: str
    port: int
    private_key: str | None = field(repr=False)
    passphrase: str | None = field(repr=False)
    host_key: str
    jump: Jump | None = None
    adopt: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    moves_from: int | None = None
    keeps_old_port: bool = False


def sshd_port(ssh: SshSettings, host: HostSettings | None) -> int:
    """Where a machine's sshd is before anyone moves it."""
    return (host and host.port) or ssh.port


def check(hosts: Hosts, report: Report) -> None:
    """No two machines have the same address."""
    first: dict[str, str] = {}
    for name, host in hosts.items():
        if host is None:
            continue
        if host.address in first:
            key = f"hosts.{name}.address"
            expected = f"an address of its own; hosts.{first[host.address]} has this one"
            fix = f"{set_command(key, 'ADDRESS')}, or {remove_command(f'hosts.{name}')}"
            report(Problem(key, shown(host.address), expected, fix))
        first.setdefault(host.address, name)


def read(ssh: SshSettings, hosts: Hosts, movable: Collection[str], report: Report) -> dict[str, Machine]:
    """The machines by name, as they are before any sshd moves; without those that cannot be reached, which is told.

    The sshd of those in `movable` may have moved already.
    """
    keyring = _Keyring(ssh, report)
    shared = _jump(ssh.jump, "ssh.jump", ssh, keyring, report)
    machines: dict[str, Machine] = {}
    for name, host in hosts.items():
        if host is None:
            continue
        between = host.jump or ssh.jump
        jump = _jump(host.jump, f"hosts.{name}.jump", ssh, keyring, report) if host.jump else shared
        if between and between.address == host.address:
            # One of the machines is the jump host of the others, and needs none itself.
            between = jump = None
        key = keyring.key(f"hosts.{name}", host.private_key_file, host.passphrase)
        port, via = sshd_port(ssh, host), between.command(ssh.user) if between else ()
        server = Server(f"hosts.{name}.hostKey", host.address, port, via, may_have_moved=name in movable)
        host_key = host.host_key or server.pinned(ssh.known_hosts_file, report)
        if key and host_key and (jump or not between):
            machines[name] = Machine(
                name,
                host.address,
                host.user or ssh.user,
                port,
                key.private,
                key.passphrase,
                host_key,
                jump,
                tuple(host.adopt),
                tuple(host.ignore),
            )
    return machines


def _jump(
    settings: JumpSettings | None, section: str, ssh: SshSettings, keyring: _Keyring, report: Report
) -> Jump | None:
    """A jump host as it is reached; None where there is none, or it cannot be reached, which is told."""
    if settings is None:
        return None
    key = keyring.key(section, settings.private_key_file, settings.passphrase)
    server = Server(f"{section}.hostKey", settings.address, settings.port)
    host_key = settings.host_key or server.pinned(ssh.known_hosts_file, report)
    if not key or not host_key:
        return None
    user = settings.user or ssh.user
    return Jump(settings.address, user, settings.port, key.private, key.passphrase, host_key)


@dataclass(frozen=True)
class _Key:
    """A private key and its passphrase; without `private` it is in the agent."""

    private: str | None = None
    passphrase: str | None = None


class _Keyring:
    """The private keys that the settings name, each file read once."""

    def __init__(self, ssh: SshSettings, report: Report) -> None:
        self._ssh, self._report = ssh, report
        self._read: dict[tuple[Path, str | None], str | None] = {}
        self._agent: bool | None = None
        if ssh.agent:
            for name, key in (("private_key_file", "ssh.privateKeyFile"), ("passphrase", "ssh.passphrase")):
                if name in ssh.model_fields_set:
                    found = shown(str(ssh.private_key_file)) if name == "private_key_file" else "[hidden]"
                    fix = f"{remove_command(key)}, or {remove_command('ssh.agent')}"
                    report(Problem(key, found, "nothing, as ssh.agent has the keys in the agent", fix))

    def key(self, section: str, own_file: Path | None, own_passphrase: SecretStr | None) -> _Key | None:
        """The key of a section that may have one of its own; None where there is none, which is told."""
        if self._ssh.agent and not own_file:
            if self._agent is None:
                self._agent = files.ssh_agent("ssh.agent", self._report)
            return _Key() if self._agent else None
        path = own_file or self._ssh.private_key_file
        secret = own_passphrase or (None if own_file else self._ssh.passphrase)
        passphrase = secret.get_secret_value() if secret else None
        if (path, passphrase) not in self._read:
            prefix = section if own_file else "ssh"
            self._read[path, passphrase] = files.ssh_private_key(path, passphrase, prefix, self._report)
        text = self._read[path, passphrase]
        return _Key(text, passphrase) if text else None
