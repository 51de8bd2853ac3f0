"""A real sshd on a free port of this computer, for one login by one key."""

from __future__ import annotations

import asyncio
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from settings.machines import Machine

SSHD = "/usr/sbin/sshd"
Anything = TypeVar("Anything")


def finished(work: Coroutine[Any, Any, Anything]) -> Anything:
    """What the work comes to. In a thread: Pulumi's mocks want this one's loop as it is."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()


def keypair(directory: Path, name: str, kind: str = "ed25519") -> tuple[str, str]:
    """A private key's text and its public key's."""
    path = directory / name
    words = [
        "ssh-keygen",
        "-q",
        "-t",
        kind,
        *(["-b", "2048"] if kind == "rsa" else []),
        "-N",
        "",
        "-C",
        "",
        "-f",
        str(path),
    ]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL)
    return path.read_text(), path.with_suffix(".pub").read_text().strip()


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Sshd:
    """A running sshd; `machine` is how to reach it."""

    process: subprocess.Popen[bytes]
    machine: Machine
    authorized: Path

    def stop(self) -> None:
        """Ends it, and nothing else."""
        self.process.terminate()
        self.process.wait(10)

    def other(self, **changes: object) -> Machine:
        """How to reach it, but for `changes`."""
        return replace(self.machine, **changes)  # type: ignore[arg-type]


def start(directory: Path, options: str = "") -> Sshd:
    """Starts it with a directory of its own, and waits until it listens."""
    # sshd wants its directory there; in a container that never ran it, it is not.
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    private, public = keypair(directory, "id")
    _, host_key = keypair(directory, "host")
    authorized = directory / "authorized_keys"
    authorized.write_text(f"{public}\n")
    port = free_port()
    (directory / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {authorized}\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n{options}\n"
    )
    with (directory / "sshd.log").open("wb") as log:
        words = [SSHD, "-D", "-e", "-f", str(directory / "sshd_config")]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    limit = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            said = (directory / "sshd.log").read_text()
            assert process.poll() is None and time.monotonic() < limit, said
            time.sleep(0.05)
    machine = Machine("here", "127.0.0.1", getpass.getuser(), port, private, None, " ".join(host_key.split()[:2]))
    return Sshd(process, machine, authorized)


def available() -> bool:
    """Whether the programs are there."""
    return Path(SSHD).exists() and shutil.which("ssh-keygen") is not None
