"""systemd timers: what a machine does on a schedule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.templates import render


@dataclass(frozen=True)
class Timer:
    """A program that systemd starts on a machine.

    `unit` is what the service and the timer are called, `program` the file that the service runs; it keeps its name.
    `service` and `timer` are the texts of the units. `schedule` is systemd's calendar expression where the timer has
    one, which the machine's own systemd checks before anything is installed.
    """

    unit: str
    program: Path
    service: str
    timer: str
    schedule: str | None = None

    @classmethod
    def by_calendar(cls, unit: str, program: Path, service: str, *, description: str, schedule: str) -> Timer:
        """A timer at `schedule`, which makes up for a run that it missed while the machine was off."""
        timer = render("host/templates/calendar.timer.j2", description=description, schedule=schedule)
        return cls(unit, program, service, timer, schedule)

    @property
    def units(self) -> dict[str, str]:
        """The units by file name."""
        return {f"{self.unit}.service": self.service, f"{self.unit}.timer": self.timer}

    @property
    def files(self) -> dict[str, str]:
        """What its script installs, by file name: the program and the units."""
        return {self.program.name: self.program.read_text(), **self.units}

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its script."""
        return {} if self.schedule is None else {"SCHEDULE": self.schedule}
