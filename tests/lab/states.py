"""The saved states that the lab tests start from, and how each is made from the one before it.

A state is used only where the same sources have made it today: certificates and tokens are renewed by the calendar, and
a later day's `pulumi up` may find something to do. The lab knows of which sources it is (lab/states.py).
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from lab import paths
from lab import states as kept
from lab.keys import content_key
from tests.lab.driver import SERVERS, SNAPSHOT, Lab, Result

WORKERS = {"node1": "10.77.0.31", "node2": "10.77.0.32"}
_MADE_WITH = paths.LAB / "tests/made-with"
"""The key of what is below, in the state that was made with it: whatever else is saved as `up` is not ours."""


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
    """One saved state: the one that it is made from, and how."""

    before: str | None
    make: Callable[[Lab], None]


STATES = {
    "bare": State(None, _bare),
    "up": State("bare", _up),
    "workers": State("up", _workers),
}


@dataclass
class SavedStates:
    """The lab as the keeper sees it (keeper.Machines): its states are saved and loaded by the lab's own commands."""

    lab: Lab
    today: str = field(default_factory=lambda: datetime.datetime.now(datetime.UTC).date().isoformat())
    """The day on which the session began: what it makes after midnight is good for the rest of it."""
    sources: str = field(default_factory=kept.sources_key)
    """Key of what the lab is made from, when the session began."""
    took: list[tuple[str, float]] = field(default_factory=list)
    """What was done, in order, and the seconds that it took."""

    def load(self, state: str) -> bool:
        """Load the state where it is there and of these sources and this day."""
        found = {each.name: each for each in kept.all_states()}.get(state)
        if found is None or found.sources != self.sources or found.saved[: len(self.today)] < self.today:
            return False
        with self._timed(f"load {state}"):
            # Its sources are those with which the session began; somebody may be at the next change already.
            self.lab.lab("load", state, "--force").succeeded()
        return _MADE_WITH.exists() and _MADE_WITH.read_text() == _tests_key()

    def make(self, state: str) -> None:
        with self._timed(f"make {state}"):
            STATES[state].make(self.lab)

    def save(self, state: str) -> None:
        """Save what runs; where it is one of STATES, with what it was made with."""
        if state in STATES:
            _MADE_WITH.parent.mkdir(parents=True, exist_ok=True)
            _MADE_WITH.write_text(_tests_key())
        with self._timed(f"save {state}"):
            self.lab.lab("save", state).succeeded()

    def forget(self, beginning: str) -> None:
        for each in kept.all_states():
            if each.name.startswith(beginning):
                self.lab.lab("forget", each.name).succeeded()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        self.took.append((what, time.monotonic() - started))


@cache
def _tests_key() -> str:
    """Of what makes and describes states here, as it was when the session began."""
    return content_key(Path(__file__), SNAPSHOT)
