"""The machines, and how they are reached by SSH.

Owns the sections `ssh` and `hosts`, and what becomes of them: for each machine the key and the pinned host key. Does
not own what runs on a machine; where GitLab moves a machine's sshd is in `gitlab.py`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, cast

from pydantic import BeforeValidator, Field, SecretStr

from names import SSH_PORT
from settings import files
from settings.kinds import Address, LocalPath, MachineDirectory, Port, Section, UserName, matching, text
from settings.problems import Problem, Report, rejected, remove_command, set_command, shown

# Go's SSH client, which the command plugin is built on, offers the kinds of host key in this order whatever is pinned
# (golang.org/x/crypto/ssh, defaultHostKeyAlgos), and fails if the server then proves itself by another kind. So where
# several keys of a machine are known, the one that will really be used is pinned.
HOST_KEY_PREFERENCE = ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-ed25519")


def _host_key(value: object) -> str:
    parts = text(value).split()
    if len(parts) < 2 or not re.fullmatch(r"(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521))", parts[0]):
        raise rejected("a host's public key as in /etc/ssh/ssh_host_ecdsa_key.pub: its type and its base64 text")
    files.require_public_key(" ".join(parts[:2]))
    return " ".join(parts[:2])


HostKey = Annotated[str, BeforeValidator(_host_key)]
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
        examples=["ecdsa-sha2-nistp256 AAAA..."],
    )
    adopt: list[MachineDirectory] = Field(
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
class Machine:
    """What is needed to reach one machine: everything resolved, the key's text read. `host_key` is "type base64".

    `adopt` are directories with data of somebody else's that the stack may use, `ignore` the findings that end nothing.
    Where sshd moves to `port`, `moves_from` is where it is at first; it stays there as well if `keeps_old_port`.
    """

    name: str
    address: str
    user: str
    port: int
    private_key: str = field(repr=False)
    passphrase: str | None = field(repr=False)
    host_key: str
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
    machines: dict[str, Machine] = {}
    keys: dict[tuple[Path, str | None], str | None] = {}
    for name, host in hosts.items():
        if host is None:
            continue
        own = host.private_key_file is not None
        path = host.private_key_file or ssh.private_key_file
        secret = host.passphrase or (None if own else ssh.passphrase)
        passphrase = secret.get_secret_value() if secret else None
        if (path, passphrase) not in keys:
            prefix = f"hosts.{name}" if own else "ssh"
            keys[path, passphrase] = files.ssh_private_key(path, passphrase, prefix, report)
        key, port = keys[path, passphrase], sshd_port(ssh, host)
        host_key = host.host_key or _pinned(name, host.address, port, ssh.known_hosts_file, name in movable, report)
        if key and host_key:
            user, adopt, ignore = host.user or ssh.user, tuple(host.adopt), tuple(host.ignore)
            machines[name] = Machine(name, host.address, user, port, key, passphrase, host_key, adopt, ignore)
    return machines


def _pinned(name: str, address: str, port: int, known_hosts: Path, may_have_moved: bool, report: Report) -> str | None:
    """The machine's key from known_hosts.

    A machine whose sshd has moved is often known by its first port only; it has the same keys on every port.
    """
    key = f"hosts.{name}.hostKey"
    scan = (
        f"ssh-keyscan -p {port} {address} >> {known_hosts}, and compare with /etc/ssh/ssh_host_*_key.pub on the machine"
    )
    expected = f"the machine's host key, here or in ssh.knownHostsFile ({known_hosts})"
    if not known_hosts.is_file():
        report(Problem(key, f"nothing, and {known_hosts} does not exist", expected, scan))
        return None
    # OpenSSH's notation: brackets belong to the port, and IPv4 has them as well.
    wanted = address if port == SSH_PORT else f"[{address}]:{port}"
    for entry in dict.fromkeys((wanted, address) if may_have_moved else (wanted,)):
        found = files.known_keys(entry, known_hosts)
        for kind in HOST_KEY_PREFERENCE:
            if kind in found:
                return found[kind]
    report(Problem(key, f"nothing, and no entry for {wanted} in {known_hosts}", expected, scan))
    return None
