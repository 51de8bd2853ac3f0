"""The saved states that the lab tests start from, and how each is made from the one before it.

A state is used only where the same sources have made it today: certificates and tokens are renewed by the calendar, and
a later day's `pulumi up` may find something to do. What made it lies in the running lab, and so is saved with it.
"""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab import paths
from lab.keys import content_key
from tests.lab.driver import SERVERS, Lab, Result

WORKERS = {"node1": "10.77.0.31", "node2": "10.77.0.32"}
_MADE_BY = paths.LAB / "tests/made-by.json"
_OF_THE_LAB = ("lab", "tests/lab/driver.py", "tests/lab/snapshot.sh", "tests/lab/states.py")
_OF_THE_STACK = (
    *("__main__.py", "names.py", "settings.py", "settings_checks.py", "settings_problems.py", "components", "charts"),
    *("services", "tools", "Pulumi.yaml", "Pulumi.dev.yaml", "requirements.txt"),
)


def _bare(lab: Lab) -> None:
    """Machines and mirror as they are made, and all that pulumi needs: no stack yet."""
    lab.lab("down").succeeded()
    lab.lab("machines", timeout=7200).succeeded()
    lab.remember(*SERVERS)
    # Builds the tools and makes the empty stack.
    lab.lab("preview", timeout=3600).succeeded()


def _up(lab: Lab) -> None:
    """Stack dev, and the answers of its projects' first pipelines."""
    lab.lab("up").succeeded()


def _workers(lab: Lab) -> None:
    """Two more machines, which are nodes of the cluster."""
    add_workers(lab).succeeded()


def add_workers(lab: Lab) -> Result:
    """Makes the machines, remembers what they are like, and lets them join the cluster; what `pulumi up` did."""
    lab.lab("spares", *WORKERS).succeeded()
    lab.remember(*WORKERS)
    for index, (worker, address) in enumerate(WORKERS.items()):
        lab.config(f"hosts.{worker}.address", address)
        lab.config(f"kubernetes.workers[{index}]", worker)
    return lab.up()


@dataclass(frozen=True)
class State:
    """One saved state: the one that it is made from, how, and the sources that say what comes of it."""

    before: str | None
    make: Callable[[Lab], None]
    sources: tuple[str, ...]


STATES = {
    "bare": State(None, _bare, _OF_THE_LAB),
    "up": State("bare", _up, _OF_THE_LAB + _OF_THE_STACK),
    "workers": State("up", _workers, _OF_THE_LAB + _OF_THE_STACK),
}


@dataclass
class SavedStates:
    """The lab as the keeper sees it (keeper.Machines): its states are saved and loaded by the lab's own commands."""

    lab: Lab
    today: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date().isoformat())
    """The day on which the session began: what it makes after midnight is good for the rest of it."""
    took: list[tuple[str, float]] = field(default_factory=list)
    """What was done, in order, and the seconds that it took."""

    def load(self, state: str) -> bool:
        """Load the state where it is there and of these sources and this day."""
        if state not in self._names():
            return False
        with self._timed(f"load {state}"):
            self.lab.lab("load", state).succeeded()
        if not _MADE_BY.exists():
            return False
        made = json.loads(_MADE_BY.read_text())
        return bool(made["key"] == _key(state) and made["day"] >= self.today)

    def make(self, state: str) -> None:
        with self._timed(f"make {state}"):
            STATES[state].make(self.lab)

    def save(self, state: str) -> None:
        """Save what runs; one of STATES with what made it."""
        if state in STATES:
            day = datetime.datetime.now(datetime.UTC).date().isoformat()
            _MADE_BY.parent.mkdir(parents=True, exist_ok=True)
            _MADE_BY.write_text(json.dumps({"key": _key(state), "day": day}))
        with self._timed(f"save {state}"):
            self.lab.lab("save", state).succeeded()

    def forget(self, beginning: str) -> None:
        for name in self._names():
            if name.startswith(beginning):
                self.lab.lab("forget", name).succeeded()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.took.append((what, time.monotonic() - started))

    def _names(self) -> list[str]:
        """The names of the saved states, which begin the lines of `lab states`."""
        lines = self.lab.lab("states").succeeded().output.splitlines()
        return [line.split()[0] for line in lines if line.strip()]


@cache
def _key(state: str) -> str:
    """Of the sources that the state comes of, as they are when the session first asks."""
    return content_key(state, [paths.REPOSITORY / source for source in STATES[state].sources])


def sources_that_are_missing() -> list[Path]:
    """Names above that no file has: a source that has moved would no longer count."""
    named = {paths.REPOSITORY / source for state in STATES.values() for source in state.sources}
    return sorted(path for path in named if not path.exists())
