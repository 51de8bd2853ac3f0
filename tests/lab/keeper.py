"""Which saved state of the lab each test file starts from, in which order the files run, and when a state is loaded.

Owns these decisions only: how a state is saved, loaded and made is the `Machines`' business, and what the states are is
in states.py. Knows nothing of pytest, so that its rules can be tested without a lab.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Protocol

LONGEST_NAME = 60
KEPT_FAILURES = 3
"""States of failed tests that one run keeps, the last ones: each goes its own way; a dozen filled a disk of 97 GiB."""


class StateError(Exception):
    """The lab cannot be brought into the state that a test file starts from."""


@dataclass(frozen=True)
class Need:
    """What a test file declares about the lab: `pytestmark = pytest.mark.state(…)`."""

    file: str
    state: str | None
    """The saved state that it starts from; None where it needs no machines."""
    changes: bool = False
    """Whether it leaves the lab otherwise than it found it: the next file then has its state loaded anew."""
    makes: str | None = None
    """The state that it leaves when all its tests have passed; it is saved under that name."""

    @property
    def label(self) -> str:
        """What it is called within names of states."""
        return PurePath(self.file).stem.removeprefix("test_").replace("_", "-")


class Machines(Protocol):
    """What is done to the lab. Each may fail with any error."""

    def load(self, state: str) -> bool:
        """Make exactly that state run; False where none is saved that these sources made."""

    def make(self, state: str) -> None:
        """Turn the state before it, which runs, into this one."""

    def save(self, state: str) -> None:
        """Save what runs under this name, in place of what had it."""

    def forget(self, beginning: str) -> None:
        """Remove the saved states whose names begin so."""


@dataclass(frozen=True)
class Kept:
    """The machines of a failed test, saved as they were when it failed."""

    test: str
    file: str
    state: str | None
    """The saved state's name; None where saving failed as well."""
    problem: str = ""


@dataclass
class Keeper:
    """Brings the lab into each file's state, as seldom as possible, and keeps the machines of tests that fail."""

    machines: Machines
    before: Mapping[str, str | None]
    """The states that can be made -> the one that each is made from, in the order in which they are made."""
    kept: list[Kept] = field(default_factory=list)
    _running: str | None = None
    """The state that the running lab is in for sure."""
    _broken: dict[str, str] = field(default_factory=dict)
    """The states that could not be made in this session -> why."""
    _current: Need | None = None
    _failures: list[str] = field(default_factory=list)

    def begin(self, need: Need) -> None:
        """Before a file's first test: the lab is in its state, or a StateError says why not."""
        self._current, self._failures = None, []
        if need.state is None:
            return
        self.machines.forget(f"failed-{need.label}-")
        self._bring(need.state)
        self._current = need

    def failed(self, test: str) -> None:
        """As soon as a test has failed: its machines are saved, those of the file's first failure only.

        What fails after that in the same file fails on machines that something else has gone wrong on.
        """
        need = self._current
        if need is None:
            # Before its state was there, or after its last test: something is left as nobody knows.
            self._running = None
            return
        if test in self._failures:
            return
        self._failures.append(test)
        if len(self._failures) == 1:
            self._keep(test, need.file, f"failed-{need.label}-{_short(test)}")

    def end(self, need: Need) -> None:
        """After a file's last test."""
        if self._current is None:
            return
        self._current = None
        if need.changes or need.makes or self._failures:
            self._running = None
        if need.makes and not self._failures:
            self.machines.save(need.makes)
            self._running = need.makes

    def _bring(self, state: str) -> None:
        if self._running == state:
            return
        if state in self._broken:
            raise StateError(f"state {state} could not be made: {self._broken[state]}")
        self._running = None
        if not self.machines.load(state):
            origin = self.before[state]
            try:
                if origin is not None:
                    self._bring(origin)
                self._running = None
                self.machines.make(state)
                self.machines.save(state)
            except StateError as error:
                self._broken[state] = str(error)
                raise
            except Exception as error:
                self._broken[state] = str(error)
                self._keep(f"making state {state}", "", f"failed-making-{state}")
                raise StateError(f"state {state} could not be made: {error}") from error
        self._running = state

    def _keep(self, test: str, file: str, name: str) -> None:
        name = name[:LONGEST_NAME].rstrip("-")
        try:
            self.machines.save(name)
        except Exception as error:  # The test's own failure is what has to be told.
            self.kept.append(Kept(test, file, None, str(error)))
        else:
            gone = "another of the same name has been kept since"
            self.kept = [replace(each, state=None, problem=gone) if each.state == name else each for each in self.kept]
            self.kept.append(Kept(test, file, name))
            self._make_room()

    def _make_room(self) -> None:
        saved = [number for number, each in enumerate(self.kept) if each.state]
        for number in saved[:-KEPT_FAILURES]:
            each = self.kept[number]
            assert each.state
            # That it stays is no failure of a test's.
            with suppress(Exception):
                self.machines.forget(each.state)
            self.kept[number] = replace(each, state=None, problem=f"only the last {KEPT_FAILURES} of a run are kept")


def ordered(needs: Sequence[Need], before: Mapping[str, str | None]) -> list[Need]:
    """The order in which the fewest loads are needed.

    By state, each after the one that it is made from. Within a state those that leave it as it is come first and share
    it; then those that change it, each on a state of its own; last those that leave the next state.
    """
    position: dict[str | None, int] = {state: number for number, state in enumerate(before)}
    return sorted(needs, key=lambda n: (position.get(n.state, -1), n.makes is not None, n.changes, n.file))


def _short(test: str) -> str:
    """A test's name, of what may stand in a state's name."""
    name = test.rpartition("::")[2].removeprefix("test_")
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
