"""The keys that machines prove themselves by: which kinds can be pinned, and where known_hosts has them.

Does not own who is asked for: see `machines.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator

from names import SSH_PORT
from settings import files
from settings.kinds import text
from settings.problems import Problem, Report, rejected

# The command plugin asks a server for an algorithm of the pinned key's own name, and for no other (pulumi-command
# 1.2.1, provider/pkg/provider/remote/connection.go: HostKeyAlgorithms is the key's type). So any kind that the server
# has will do, and ed25519 is the one that every OpenSSH makes; but not RSA, whose name is that of its signature with
# SHA-1, which OpenSSH has refused since 8.8 (rsa-sha2-256 and rsa-sha2-512 are names of their own).
KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")
"""What can be pinned, the first choice first."""
RSA = "ssh-rsa"

_MAKE = "on the machine: ssh-keygen -A, a HostKey line for it where sshd_config has others, and systemctl restart ssh"
_NOT_RSA = "an ed25519 or ECDSA key; with RSA the plugin's SSH client can ask for SHA-1 only, which sshd refuses"


def _host_key(value: object) -> str:
    parts = text(value).split()
    if len(parts) < 2 or parts[0] not in (*KINDS, RSA):
        raise rejected("a host's public key as in /etc/ssh/ssh_host_ed25519_key.pub: its type and its base64 text")
    if parts[0] == RSA:
        raise rejected(_NOT_RSA, f"ssh-keyscan -t ed25519,ecdsa ADDRESS shows the others; if there is none, {_MAKE}")
    files.require_public_key(" ".join(parts[:2]))
    return " ".join(parts[:2])


HostKey = Annotated[str, BeforeValidator(_host_key)]


@dataclass(frozen=True)
class Server:
    """An sshd whose key is looked up: `key` is the setting that would have it, `via` the command that gets near it.

    One that `may_have_moved` is often known by its first port only; it has the same keys on every port.
    """

    key: str
    address: str
    port: int
    via: Sequence[str] = ()
    may_have_moved: bool = False

    def pinned(self, known_hosts: Path, report: Report) -> str | None:
        """Its key from known_hosts; None where there is none that can be pinned, which is told."""
        expected = f"the machine's host key, here or in ssh.knownHostsFile ({known_hosts})"
        if not known_hosts.is_file():
            report(Problem(self.key, f"nothing, and {known_hosts} does not exist", expected, self._scan(known_hosts)))
            return None
        # OpenSSH's notation: brackets belong to the port, and IPv4 has them as well.
        wanted = self.address if self.port == SSH_PORT else f"[{self.address}]:{self.port}"
        has_rsa = False
        for entry in dict.fromkeys((wanted, self.address) if self.may_have_moved else (wanted,)):
            found = files.known_keys(entry, known_hosts)
            for kind in KINDS:
                if kind in found:
                    return found[kind]
            has_rsa = has_rsa or RSA in found
        if has_rsa:
            nothing = f"only an RSA key of {wanted} in {known_hosts}"
            fix = f"{self._scan(known_hosts, '-t ed25519,ecdsa ')}; if it has none of them, {_MAKE}"
            report(Problem(self.key, nothing, _NOT_RSA, fix))
        else:
            nothing = f"nothing, and no entry for {wanted} in {known_hosts}"
            report(Problem(self.key, nothing, expected, self._scan(known_hosts)))
        return None

    def _scan(self, known_hosts: Path, kinds: str = "") -> str:
        near = " ".join((*self.via, ""))
        return (
            f"{near}ssh-keyscan -p {self.port} {kinds}{self.address} >> {known_hosts}, "
            "and compare with /etc/ssh/ssh_host_*_key.pub on the machine"
        )
