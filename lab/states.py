"""States of the whole lab that are kept under a name and come back in seconds: machines, mirror, Pulumi's state, keys.

Owns the descriptions of the states, and the order of things when one is kept or comes back. How the files are copied
is lab/storage.py's business.

A state is what is on the disks at one moment, as if the power went then: the machines run on while it is kept, and boot
when it comes back. What was only in their memory is gone.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from lab import base, engine, machines, network, originals, paths, stack, storage, tools, verify, workstation
from lab.inventory import CLUSTER, WORKSTATION, machine
from lab.keys import content_key
from lab.steps import LabError, Plan, StepLog

UP = "up"
"""The state that `make up` begins with, where it was kept after a `make up` of the same sources."""
_SECONDS_TO_ANSWER = 120
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
_MADE = paths.LAB / "made-by.json"
_CA_FILE = paths.LAB / "ca.crt"
"""What the program keeps outside the lab, for as long as the lab is a saved state."""
# Nothing below them gets into a lab.
_NO_SOURCES = {"docs", "tests", "bench", "examples"}


@dataclass(frozen=True)
class State:
    """What is known of a kept state without looking into it."""

    name: str
    saved: str
    """When, as ISO 8601 in UTC."""
    made_by: str
    """The lab's command that was last carried out to its end before: up, machines, or nothing."""
    sources: str
    """Key of the sources that the lab was made from then."""
    gitlab: str
    """Whose images of GitLab it has: one of originals.CHOICES."""
    machines: tuple[str, ...]
    """Those that ran."""
    answers: tuple[str, ...]
    """Which of verify's checks were answered: they are when the state is back."""
    copy: str
    """Name of the copy in the storage."""


def sources_key() -> str:
    """Key of all that a lab is made from: what is in the repository, and the base image's own sources."""
    files = sorted(_sources(paths.REPOSITORY))
    return content_key(
        base.tag(), *(part for each in files for part in (str(each.relative_to(paths.REPOSITORY)), each))
    )


def _sources(folder: Path) -> Iterator[Path]:
    for each in folder.iterdir():
        if each.name.startswith(".") or each.name == "__pycache__" or each.suffix == ".md":
            continue
        if each.is_dir():
            if folder != paths.REPOSITORY or each.name not in _NO_SOURCES:
                yield from _sources(each)
        elif each.is_file():
            yield each


def note_made(command: str, sources: str) -> None:
    """Note in the lab that a command has made it from these sources."""
    _MADE.write_text(json.dumps({"made_by": command, "sources": sources}))


def all_states() -> list[State]:
    """Every state that is kept, the oldest first."""
    found = []
    for file in paths.STATES.glob("*.json"):
        content = json.loads(file.read_text())
        content |= {key: tuple(content[key]) for key in ("machines", "answers")}
        found.append(State(**content))
    return sorted(found, key=lambda state: state.saved)


def find(name: str) -> State:
    """The state of that name; a LabError names those there are."""
    states = all_states()
    for state in states:
        if state.name == name:
            return state
    names = ", ".join(state.name for state in states) or "none"
    raise LabError(f"there is no state {name!r}; kept are: {names}", f"`python -m lab save {name}` keeps one")


def check_name(name: str) -> None:
    """A LabError unless a state may be called so."""
    if not _NAME.fullmatch(name):
        raise LabError(f"{name!r} is no name for a state", "take small letters, digits, dots, dashes, underscores")


def check_sources(state: State, sources: str) -> None:
    """A LabError if the state was made from other sources than these."""
    if state.sources != sources:
        raise LabError(
            f"state {state.name} (of {state.saved}) was made from other sources than those here ({paths.REPOSITORY})",
            f"`python -m lab load {state.name} --force` loads it all the same; `make up` then brings it up to date",
        )


def usable_for_up(sources: str, gitlab: str | None) -> State | None:
    """The state that a `make up` from nothing may begin with."""
    for state in all_states():
        if state.name == UP and (state.made_by, state.sources) == (UP, sources):
            return state if state.gitlab == (gitlab or originals.STAND_INS) else None
    return None


def save_plan(name: str) -> Plan:
    """The steps that keep the lab as it is now."""
    check_name(name)
    if not engine.answers():
        raise LabError("there is no lab that runs, so nothing to keep", "`make up`, or `python -m lab machines`")
    if not storage.attached():
        raise LabError("this lab is from before states could be kept", "`make down`, `make up`, and save again")
    if stack.lock_holders():
        raise LabError("pulumi works on the stack right now", "wait until it has ended")
    running = tuple(each.name for each in machines.running())
    answers: list[str] = []
    plan = Plan(again=f"python -m lab save {name}", logs=paths.STORAGE_LOGS)
    plan.add("what answers", partial(_note_answers, answers=answers))
    plan.add(f"save {name}", partial(_save, name=name, running=running, answers=answers), ["what answers"])
    return plan


def load_plan(state: State) -> Plan:
    """The steps that put that state in the place of whatever there is, and wait until all in it answers again."""
    plan = Plan(again=f"python -m lab load {state.name}", logs=paths.STORAGE_LOGS)
    plan.add("power off", _power_off)
    plan.add("files", partial(_load, state=state), ["power off"])
    plan.add("network", network.up, ["power off"])
    plan.add("engine", engine.up, ["files"])
    booted = [
        plan.add(f"machine {name}", partial(machines.start, machine=machine(name)), ["engine", "network"])
        for name in state.machines
    ]
    if verify.CLUSTER in state.answers:
        # Not after all of them: the cluster is what comes back last.
        plan.add("leases", workstation.release_leases, [f"machine {each.name}" for each in (WORKSTATION, CLUSTER)])
    answers = partial(verify.wait_for, names=state.answers, seconds=_SECONDS_TO_ANSWER)
    plan.add("answers", answers, booted)
    return plan


def forget(log: StepLog, name: str) -> None:
    """Remove a state."""
    (paths.STATES / f"{name}.json").unlink()
    _remove_unnamed(log)


def _note_answers(log: StepLog, answers: list[str]) -> str:
    answers += verify.answering(log)
    return f"{len(answers)} services"


def _save(log: StepLog, name: str, running: tuple[str, ...], answers: list[str]) -> str:
    now = datetime.now(UTC)
    made = json.loads(_MADE.read_text()) if _MADE.exists() else {"made_by": "", "sources": sources_key()}
    state = State(
        name=name,
        saved=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        gitlab=originals.OFFICIAL if originals.official() else originals.STAND_INS,
        machines=running,
        answers=tuple(answers),
        copy=f"{name}.{now.strftime('%Y%m%d%H%M%S%f')}",
        **made,
    )
    _copy_or_remove(paths.CA_FILE, _CA_FILE)
    if storage.copies_in_a_moment():
        storage.save(log, state.copy)
    else:
        with engine.paused(log):
            storage.save(log, state.copy)
    paths.STATES.mkdir(parents=True, exist_ok=True)
    # In one go, and only now: one that is interrupted leaves the state that was there.
    draft = paths.STATES / f"{name}.draft"
    draft.write_text(json.dumps(asdict(state), indent=2))
    draft.rename(paths.STATES / f"{name}.json")
    _remove_unnamed(log)
    return f"{len(running)} machines" + ("" if storage.copies_in_a_moment() else ", every file copied")


def _power_off(log: StepLog) -> str:
    """End what runs, whatever it is: its files are about to be replaced."""
    for pid in (*stack.lock_holders(), *tools.processes()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return f"{engine.cut_power(log)} machines"


def _load(log: StepLog, state: State) -> str:
    started = time.monotonic()
    storage.load(log, state.copy)
    # `pulumi destroy` does not write it (docs/operations.md), and another stack of that name may have.
    _copy_or_remove(_CA_FILE, paths.CA_FILE)
    # Those of an earlier run that was interrupted, while other files were in place.
    engine.remove_cgroups(log)
    log.write(f"replaced in {time.monotonic() - started:.1f} s")
    return f"as of {state.saved}" + ("" if storage.copies_in_a_moment() else ", every file copied")


def _copy_or_remove(file: Path, copy: Path) -> None:
    """Make `copy` be like `file`, also where there is none."""
    copy.unlink(missing_ok=True)
    if file.exists():
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(file, copy)


def _remove_unnamed(log: StepLog) -> None:
    storage.keep_only(log, {state.copy for state in all_states()})
