"""Runs scripts for machines here, with stand-ins for the programs that they call."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.host.shell import LIBRARY

ROOT = Path(__file__).resolve().parents[2]
# Where it is, not /usr/bin/env: thousands of programs are started, and env would be one more each time.
BASH = shutil.which("bash")


def remembered(state: Path) -> list[str]:
    """What the stack remembers there; directories of its own go at the very end (leave.sh)."""
    return sorted(str(path.relative_to(state)) for path in state.rglob("*") if path.is_symlink() or not path.is_dir())


@dataclass
class Machine:
    """A directory that plays a machine: `fake` programs come before the real ones, `variables` are every script's."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("bin", "files", "tmp"):
            (self.root / name).mkdir(parents=True)

    def fake(self, name: str, body: str) -> None:
        """A program of that name; what it is called with is in `calls`."""
        program = self.root / "bin" / name
        program.write_text(f'#!{BASH}\necho "{name} $*" >>{self.root}/calls\n{body}\n')
        program.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """The fake programs' calls so far."""
        log = self.root / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def files(self, content: Mapping[str, str]) -> None:
        """What lies in $FILES."""
        for name, text in content.items():
            (self.root / "files" / name).write_text(text)

    def run(self, script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script as `host/scripts/run.sh` would."""
        program = (
            f"set -euo pipefail; FILES={self.root}/files; export TMPDIR={self.root}/tmp; "
            + "".join(f". {path}; " for path in LIBRARY)
            + f'BEGUN=${{BEGUN:-no}}; WORK={self.root}/work; STATE={self.root}/state; . "{script}"'
        )
        return self._run(["bash", "-c", program], variables)

    def program(self, path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a program that a script installs on the machine."""
        return self._run(["bash", str(path), *arguments], variables)

    def _run(self, command: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        # No CA is trusted: `openssl x509` would read this computer's whole bundle, whatever it is asked.
        own = {"PATH": f"{self.root}/bin:{os.environ['PATH']}", "SSL_CERT_FILE": "/dev/null"}
        return subprocess.run(
            command,
            env=own | dict(self.variables) | dict(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
