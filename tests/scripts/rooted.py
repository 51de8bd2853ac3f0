"""A machine whose root is a directory: every path that a script names is one below it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from components.host.checks import Finding, findings
from components.host.shell import LIBRARY
from tests.scripts.machine import Machine

PATHS = re.compile(r"(?<![\w./$}*-])/(?=(etc|var|usr|opt|run|root|proc|sys|srv)/)")


SYSTEM = (
    "awk basename bash cat chmod cmp comm cp cut date dirname du find flock grep gzip head hostname id install ln ls "
    "md5sum mkdir mktemp mv readlink rm rmdir sed sh sha256sum sort stat tail tar timeout touch tr truncate uname xargs"
).split()
"""What every machine has; whatever else the computer has that runs the tests, is not there."""


class Moved(Machine):
    """Every path that a script names is one below the machine's root; what our stack remembers there is in `state`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.state = self.root / "var/lib/auto-devops"
        self.state.mkdir(parents=True)
        for tables in ("iptables", "ip6tables"):
            self.fake(f"{tables}-save", "true")

    def moved(self, script: Path) -> str:
        """The text of a script, with the machine's paths."""
        return PATHS.sub(f"{self.root}/", script.read_text())

    @property
    def library(self) -> str:
        """The functions that scripts have, where this machine is."""
        return "".join(self.moved(path) for path in LIBRARY)

    def impatient(self, script: Path, first: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script, after the lines `first`. It waits for nothing: what is not there at once does not come."""
        copy = self.root / "tmp" / script.name
        copy.write_text(self.library + first + re.sub(r"\bawait \d+", "await 0", self.moved(script)))
        return self.run(copy, **variables)

    def write(self, path: str, text: str = "", mode: int = 0o644) -> Path:
        """A file of the machine's."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file


class Rooted(Moved):
    """Nothing is installed there, no unit runs, nobody listens; what is otherwise, a test fakes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        (self.root / "system").mkdir()
        for name in SYSTEM:
            (self.root / "system" / name).symlink_to(shutil.which(name) or name)
        self.variables["PATH"] = f"{self.root}/bin:{self.root}/system"
        self.fake("systemctl", "case $* in *is-active* | *is-enabled*) false ;; esac")
        for name in ("dpkg-query", "mountpoint", "modprobe"):
            self.fake(name, "false")
        for name in ("ss", "findmnt", "journalctl", "sleep", "ip", "sysctl", "lsattr"):
            self.fake(name, "true")

    def step(self, script: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a script; BEGUN is no unless given."""
        return self.impatient(script, f"BEGUN={variables.get('BEGUN', 'no')}\n", **variables)

    def check(self, script: Path, **variables: str) -> list[Finding]:
        """What a check finds, without what is as it should be. It changes nothing."""
        before = self.snapshot()
        result = self.step(script, **variables)
        assert (result.returncode, result.stderr) == (0, "")
        assert self.snapshot() == before, "a check only looks"
        found = findings("m", result.stdout)
        assert len(found) == len(result.stdout.splitlines()), result.stdout
        return [finding for finding in found if finding.level != "ok"]

    def snapshot(self) -> dict[str, str]:
        """The machine's files and links, and what is in them; what the harness itself puts there is left out."""
        own = {self.root / name for name in ("bin", "system", "files", "tmp", "calls", "work")}
        return {
            str(path.relative_to(self.root)): str(path.readlink()) if path.is_symlink() else path.read_text()
            for path in sorted(self.root.rglob("*"))
            if (path.is_file() or path.is_symlink()) and not own & {path, *path.parents}
        }

    def listens(self, port: int, address: str, program: str, protocol: str = "t") -> None:
        """From now on `program` listens there, and nobody else."""
        line = f'X 0 0 {address}:{port} 0.0.0.0:* users:((\\"{program}\\",pid=7,fd=3))'
        self.fake("ss", f'case "$*" in "-Hln{protocol}p sport = :{port}") echo "{line}" ;; esac')
        self.write("proc/7/cgroup", f"0::/system.slice/{program}.service\n")


def refused(found: list[Finding]) -> list[str]:
    """What is refused, as one text each."""
    return [f"{finding.what}: {finding.found}" for finding in found if finding.level == "refused"]


def warned(found: list[Finding]) -> list[str]:
    """What is warned of, as one text each."""
    return [f"{finding.what}: {finding.found}" for finding in found if finding.level == "warning"]
