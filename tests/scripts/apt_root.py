"""A directory that real apt and dpkg take for a machine, and a repository of small packages beside it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from components.host.shell import LIBRARY


@dataclass(frozen=True)
class Deb:
    """A package with one file and one configuration file; `fields` are further lines of its control file."""

    name: str
    fields: tuple[str, ...] = ()
    version: str = "1"


DEBS = (
    # As a container engine is: some dependencies, one of which others may use, too.
    Deb("engine", ("Depends: runtime, filter",)),
    Deb("runtime", ("Depends: helper",)),
    Deb("helper"),
    Deb("filter"),
    # The user's.
    Deb("engine-ce", ("Conflicts: engine", "Provides: engine")),
    Deb("another"),
    Deb("tool", ("Depends: filter",)),
    Deb("chooser", ("Depends: filter | filter-new",)),
    Deb("filter-new"),
    Deb("newer", ("Depends: filter (>= 1)",)),
)


def repository(directory: Path) -> Path:
    """Builds all of `DEBS` there."""
    index = []
    for deb in DEBS:
        tree = directory / "trees" / deb.name
        (tree / "DEBIAN").mkdir(parents=True)
        control = "\n".join(
            (
                f"Package: {deb.name}",
                f"Version: {deb.version}",
                "Architecture: all",
                "Maintainer: nobody <nobody@example.com>",
                *deb.fields,
                f"Description: {deb.name}",
            )
        )
        (tree / "DEBIAN/control").write_text(control + "\n")
        (tree / "DEBIAN/conffiles").write_text(f"/etc/{deb.name}.conf\n")
        # A machine that is switched off in the middle, or a package that fails, where the test says.
        for script in ("preinst", "postinst", "prerm", "postrm"):
            file = tree / "DEBIAN" / script
            file.write_text(
                f'#!/bin/sh\nif [ "$POWER_CUT" = "{deb.name} {script} $1" ]; then "$MACHINE/bin/power-cut"; fi\n'
                f'if [ "$FAILING" = "{deb.name} {script} $1" ]; then exit 1; fi\n'
            )
            file.chmod(0o755)
        for path in (f"usr/bin/{deb.name}", f"etc/{deb.name}.conf"):
            file = tree / path
            file.parent.mkdir(parents=True)
            file.write_text(f"{deb.name}'s\n")
        built = directory / f"{deb.name}.deb"
        command = ["dpkg-deb", "--build", "--root-owner-group", "-Znone", str(tree), str(built)]
        subprocess.run(command, check=True, capture_output=True)
        digest = hashlib.sha256(built.read_bytes()).hexdigest()
        index.append(f"{control}\nFilename: ./{built.name}\nSize: {built.stat().st_size}\nSHA256: {digest}\n")
    shutil.rmtree(directory / "trees")
    (directory / "Packages").write_text("\n".join(index))
    return directory


@dataclass
class AptRoot:
    """The machine below `root`, whose packages come from `source`."""

    root: Path
    source: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root.mkdir()
        for directory in ("bin", "tmp", "var/cache/apt/archives/partial", "var/log/apt"):
            (self.root / directory).mkdir(parents=True)
        for directory in ("apt.conf.d", "preferences.d", "trusted.gpg.d"):
            (self.root / "etc/apt" / directory).mkdir(parents=True)
        for directory in ("dpkg/info", "dpkg/updates", "apt/lists/partial"):
            (self.root / "var/lib" / directory).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] file:{self.source} ./\n")
        settings = {
            "Dir": f"{self.root}/",
            "Dir::State::status": f"{self.root}/var/lib/dpkg/status",
            "Dir::Bin::dpkg": f"{self.root}/bin/dpkg",
            "APT::Sandbox::User": "root",
        }
        self.config = self.root / "apt.conf"
        self.config.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
        self.program(
            "dpkg",
            f"exec /usr/bin/dpkg --root={self.root} --log={self.root}/var/log/dpkg.log"
            ' --force-script-chrootless --force-unsafe-io "$@"',
        )
        # All dies at once: dpkg, which runs the package's script; apt; ours.
        self.program(
            "power-cut",
            f"""dpkg=$(ps -o ppid= -p $PPID)
            echo $(cat {self.root}/script.pid) $(ps -o ppid= -p $dpkg) $dpkg >{self.root}/dead
            kill -9 $(cat {self.root}/dead)""",
        )
        self.state = self.root / "var/lib/auto-devops"
        self.lists = self.state / "packages"
        # As `apt-get update` leaves it.
        self.index = (
            self.root / "var/lib/apt/lists" / f"{str(self.source).replace('_', '%5f').replace('/', '_')}_._Packages"
        )
        shutil.copy(self.source / "Packages", self.index)

    def program(self, name: str, body: str) -> None:
        file = self.root / "bin" / name
        file.write_text(f"#!/bin/bash\n{body}\n")
        file.chmod(0o755)

    def configure(self, text: str) -> None:
        """The user's own configuration of apt."""
        (self.root / "etc/apt/apt.conf.d/50user").write_text(text + "\n")

    def library(self) -> str:
        """The functions that scripts have, where this machine is."""
        text = "".join(path.read_text() for path in LIBRARY)
        return re.sub(r"(?<![\w./$}-])/(?=var/)", f"{self.root}/", text)

    def script(self, commands: str, *, power_cut: str = "", failing: str = "") -> subprocess.CompletedProcess[str]:
        """Runs `commands` as a script of ours; the power goes off, or dpkg fails, at "PACKAGE SCRIPT ARGUMENT"."""
        program = self.root / "tmp" / "script.sh"
        program.write_text(
            f"{self.library()}\nBEGUN=no STATE={self.state} TMPDIR={self.root}/tmp\n"
            f"echo $$ >{self.root}/script.pid\n{commands}\n"
        )
        result = self._run(["bash", str(program)], POWER_CUT=power_cut, FAILING=failing)
        dead = self.root / "dead"
        while dead.exists() and any(_runs(pid) for pid in dead.read_text().split()):
            time.sleep(0.01)
        return result

    def apt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What the user does by hand."""
        result = self._run(["apt-get", "-y", "-q", *arguments])
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    def dpkg(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(["dpkg", *arguments])

    def mark(self, *arguments: str) -> None:
        assert self._run(["apt-mark", *arguments]).returncode == 0

    @property
    def packages(self) -> dict[str, str]:
        """All that dpkg knows, with its state."""
        lines = self._run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n"]).stdout.splitlines()
        return dict(line.split() for line in lines)

    @property
    def installed(self) -> set[str]:
        return {name for name, state in self.packages.items() if state == "installed"}

    def remembered(self, owner: str) -> list[str]:
        """The lines of the owner's list."""
        file = self.lists / owner
        return file.read_text().splitlines() if file.exists() else []

    def _run(self, command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
            "APT_CONFIG": str(self.config),
            "MACHINE": str(self.root),
            "DPKG_ADMINDIR": f"{self.root}/var/lib/dpkg",
            "LC_ALL": "C.UTF-8",
            "DEBIAN_FRONTEND": "noninteractive",
        }
        return subprocess.run(
            command,
            env=environment | self.variables | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
