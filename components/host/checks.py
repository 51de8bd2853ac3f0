"""What a machine is looked at for before anything is changed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from components.host.bundle import pack
from components.host.shell import command_line, looking, text, tools
from settings.machines import Machine

Level = Literal["refused", "warning", "ok"]


@dataclass(frozen=True)
class Check:
    """The look-only part of the script that becomes the resource `name`: bash at `script`, with `variables`.

    Owns: what is sent to the machine, and how its answer reads. Does not own: the connection; whoever looks brings one.
    """

    machine: Machine
    name: str
    script: Path
    variables: Mapping[str, str]

    @property
    def command(self) -> str:
        """The command that runs it; `stdin` comes by its standard input."""
        return command_line(self.name, "check", self.machine.user, {**self.variables, **looking(self.machine)})

    @property
    def stdin(self) -> str:
        """The bundle."""
        return pack(tools() | {"check.sh": text(self.script)})


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `wanted` and `fix` are empty where it is as it should be."""

    machine: str
    level: Level
    what: str
    found: str
    wanted: str = ""
    fix: str = ""


def findings(machine: str, output: str) -> list[Finding]:
    """The findings in what a check printed (`host/scripts/findings.sh` has the format); other lines are not its own."""
    found = []
    for line in output.split("\n"):  # splitlines() would end a line at characters that a field may have
        fields = line.split("\x1f")
        if len(fields) == 5 and fields[0] in ("refused", "warning", "ok"):
            found.append(Finding(machine, cast(Level, fields[0]), *fields[1:]))
    return found
