"""From which state each file of the lab's tests starts, when one is loaded, and what is kept of a failure."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

pytest.importorskip("docker", reason="the lab needs requirements-dev.txt")
from lab import states as kept
from tests.lab import states
from tests.lab.driver import Lab, Result
from tests.lab.keeper import Keeper, Kept, Need, StateError, ordered
from tests.lab.report import Outcome, Report
from tests.lab.states import SavedStates

BEFORE = {"bare": None, "up": "bare", "workers": "up"}
PLATFORM = Need("tests/lab/test_platform.py", "up")
SSHD = Need("tests/lab/test_sshd.py", "up")
DESTROY = Need("tests/lab/test_destroy.py", "up", changes=True)
UP = Need("tests/lab/test_up.py", "bare", makes="up")
ORIGINALS = Need("tests/lab/test_originals.py", "bare")
JOIN = Need("tests/lab/test_join.py", "up", makes="workers")
UPGRADE = Need("tests/lab/test_upgrade.py", "workers", changes=True)
OLDER = Need("tests/lab/test_older_state.py", None)
ALL = [PLATFORM, SSHD, DESTROY, UP, ORIGINALS, JOIN, UPGRADE, OLDER]


@dataclass
class Recorded:
    """A lab that only notes what is done to it; what it runs is what a file's tests would find."""

    saved: dict[str, str] = field(default_factory=dict)
    """Name -> what it was when it was saved."""
    running: str = "nothing"
    done: list[str] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def load(self, state: str) -> bool:
        if state not in self.saved:
            return False
        self._do(f"load {state}")
        self.running = self.saved[state]
        return True

    def make(self, state: str) -> None:
        origin = BEFORE[state]
        assert origin is None or self.running == origin, f"{state} made of {self.running}"
        self._do(f"make {state}")
        self.running = state

    def save(self, state: str) -> None:
        self._do(f"save {state}")
        self.saved[state] = self.running

    def forget(self, beginning: str) -> None:
        for name in [name for name in self.saved if name.startswith(beginning)]:
            self._do(f"forget {name}")
            del self.saved[name]

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what in self.failing:
            raise RuntimeError(f"{what} failed")


def run(lab: Recorded, keeper: Keeper, needs: list[Need], failing: tuple[Need, ...] = ()) -> None:
    """The files' tests: each finds its state, and leaves what it says."""
    for need in needs:
        keeper.begin(need)
        assert need.state in (None, lab.running), f"{need.file} starts on {lab.running}"
        if need in failing:
            keeper.failed(f"{need.file}::test_of_it")
        if need.changes:
            lab.running = "changed"
        if need.makes:
            lab.running = need.makes
        keeper.end(need)


def test_files_that_leave_a_state_as_it_is_share_it() -> None:
    lab = Recorded(saved={"up": "up"})
    run(lab, Keeper(lab, BEFORE), [PLATFORM, SSHD, PLATFORM])
    assert lab.done == ["load up"]


def test_a_file_that_changes_its_state_has_one_of_its_own() -> None:
    lab = Recorded(saved={"up": "up"})
    run(lab, Keeper(lab, BEFORE), [PLATFORM, DESTROY, SSHD])
    assert lab.done == ["load up", "load up"]


def test_a_state_that_is_not_there_is_made_from_the_one_before_it() -> None:
    lab = Recorded()
    run(lab, Keeper(lab, BEFORE), [UPGRADE])
    made = [f"{verb} {state}" for state in ("bare", "up", "workers") for verb in ("make", "save")]
    assert lab.done == made


def test_the_nearest_state_that_is_there_is_where_making_begins() -> None:
    lab = Recorded(saved={"bare": "bare"})
    run(lab, Keeper(lab, BEFORE), [PLATFORM])
    assert lab.done == ["load bare", "make up", "save up"]


def test_what_a_file_makes_is_saved_and_used_without_a_load() -> None:
    lab = Recorded(saved={"bare": "bare", "up": "changed by earlier sources"})
    run(lab, Keeper(lab, BEFORE), [UP, PLATFORM])
    assert lab.done == ["load bare", "save up"]


def test_what_a_failing_file_makes_is_not_saved() -> None:
    lab = Recorded(saved={"bare": "bare", "up": "up"})
    run(lab, Keeper(lab, BEFORE), [UP, PLATFORM], failing=(UP,))
    assert lab.done == ["load bare", "save failed-up-of-it", "load up"]


def test_a_failed_tests_machines_are_saved_and_the_next_file_starts_afresh() -> None:
    lab = Recorded(saved={"up": "up"})
    keeper = Keeper(lab, BEFORE)
    run(lab, keeper, [PLATFORM, SSHD], failing=(PLATFORM,))
    assert lab.done == ["load up", "save failed-platform-of-it", "load up"]
    assert keeper.kept == [Kept("tests/lab/test_platform.py::test_of_it", PLATFORM.file, "failed-platform-of-it")]


def test_only_a_files_first_failure_is_kept() -> None:
    lab = Recorded(saved={"up": "up"})
    keeper = Keeper(lab, BEFORE)
    keeper.begin(PLATFORM)
    for test in ("test_one", "test_one", "test_two"):
        keeper.failed(f"{PLATFORM.file}::{test}")
    assert [kept.state for kept in keeper.kept] == ["failed-platform-one"]


def test_what_a_file_kept_before_goes_when_it_runs_again() -> None:
    lab = Recorded(saved={"up": "up", "failed-platform-of-it": "changed", "failed-sshd-of-it": "changed"})
    run(lab, Keeper(lab, BEFORE), [PLATFORM])
    assert lab.done == ["forget failed-platform-of-it", "load up"]


@pytest.mark.parametrize(
    ("test", "state"),
    [
        ("tests/lab/test_platform.py::test_names_resolve[docker-10.77.0.12]", "names-resolve-docker-10-77-0-12"),
        ("tests/lab/test_platform.py::test_" + "x" * 80, "x" * (60 - len("failed-platform-"))),
    ],
)
def test_a_kept_states_name_is_made_of_the_tests(test: str, state: str) -> None:
    keeper = Keeper(Recorded(saved={"up": "up"}), BEFORE)
    keeper.begin(PLATFORM)
    keeper.failed(test)
    assert keeper.kept[0].state == f"failed-platform-{state}"


def test_a_failure_that_cannot_be_saved_is_told() -> None:
    lab = Recorded(saved={"up": "up"}, failing={"save failed-platform-of-it"})
    keeper = Keeper(lab, BEFORE)
    run(lab, keeper, [PLATFORM, SSHD], failing=(PLATFORM,))
    (kept,) = keeper.kept
    assert (kept.state, kept.problem) == (None, "save failed-platform-of-it failed")
    assert lab.done[-1] == "load up"


def test_the_last_failures_of_a_run_are_kept() -> None:
    lab = Recorded(saved={"up": "up"})
    keeper = Keeper(lab, BEFORE)
    files = [Need(f"tests/lab/test_{name}.py", "up", changes=True) for name in ("a", "b", "c", "d")]
    run(lab, keeper, files, failing=tuple(files))
    assert [kept.state for kept in keeper.kept] == [None, *(f"failed-{name}-of-it" for name in ("b", "c", "d"))]
    assert "forget failed-a-of-it" in lab.done and "only the last 3" in keeper.kept[0].problem


def test_a_state_that_cannot_be_made_is_tried_once_and_its_machines_are_kept() -> None:
    lab = Recorded(saved={"bare": "bare"}, failing={"make up"})
    keeper = Keeper(lab, BEFORE)
    for need in (PLATFORM, SSHD, UPGRADE):
        with pytest.raises(StateError, match="state up could not be made: make up failed"):
            keeper.begin(need)
        keeper.end(need)
    assert lab.done == ["load bare", "make up", "save failed-making-up"]
    assert [kept.state for kept in keeper.kept] == ["failed-making-up"]
    # What does not need it goes on.
    run(lab, keeper, [ORIGINALS])


def test_a_failure_after_a_files_last_test_counts() -> None:
    """Where a fixture's end fails, nobody knows what is left."""
    lab = Recorded(saved={"up": "up"})
    keeper = Keeper(lab, BEFORE)
    run(lab, keeper, [PLATFORM])
    keeper.failed(f"{PLATFORM.file}::test_last")
    run(lab, keeper, [SSHD])
    assert lab.done == ["load up", "load up"]


def test_the_order_needs_the_fewest_loads() -> None:
    assert ordered(ALL, BEFORE) == [OLDER, ORIGINALS, UP, PLATFORM, SSHD, DESTROY, JOIN, UPGRADE]
    lab = Recorded()
    run(lab, Keeper(lab, BEFORE), ordered(ALL, BEFORE))
    assert [what for what in lab.done if what.startswith("load")] == ["load up"]


def test_any_order_finds_every_state() -> None:
    for needs in itertools.permutations([UP, PLATFORM, DESTROY, JOIN, UPGRADE, OLDER]):
        lab = Recorded()
        run(lab, Keeper(lab, BEFORE), list(needs))


@dataclass
class Loads(Lab):
    """A lab that only notes its commands."""

    commands: list[str] = field(default_factory=list)

    def lab(self, *arguments: str, timeout: int = 1800) -> Result:
        self.commands.append(" ".join(arguments))
        return Result(0, "")


@pytest.mark.parametrize(
    ("sources", "saved", "made_with", "loaded"),
    [
        ("these", "2026-11-28T00:00:00Z", "us", True),
        ("these", "2026-11-29T00:10:00Z", "us", True),
        ("these", "2026-11-27T23:59:59Z", "us", False),
        ("others", "2026-11-28T12:00:00Z", "us", False),
        ("these", "2026-11-28T12:00:00Z", "others", False),
        ("these", "2026-11-28T12:00:00Z", None, False),
    ],
    ids=["ours", "after midnight", "yesterday's", "of other sources", "of other tests", "a person's"],
)
def test_only_a_state_of_today_these_sources_and_these_tests_is_loaded(
    sources: str, saved: str, made_with: str | None, loaded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = kept.State("up", saved, "up", sources, "stand-ins", (), (), "up.1")
    monkeypatch.setattr(kept, "all_states", lambda: [found])
    monkeypatch.setattr(states, "_MADE_WITH", tmp_path / "made-with")
    monkeypatch.setattr(states, "_tests_key", lambda: "us")
    if made_with is not None:
        (tmp_path / "made-with").write_text(made_with)
    lab = Loads()
    assert SavedStates(lab, today="2026-11-28", sources="these").load("up") is loaded
    assert not SavedStates(lab, today="2026-11-28", sources="these").load("workers")
    assert lab.commands == ([] if sources == "others" or saved.startswith("2026-11-27") else ["load up --force"])


def _phase(test: str, when: Literal["setup", "call", "teardown"], outcome: str, seconds: float) -> pytest.TestReport:
    assert outcome in ("passed", "failed", "skipped")
    return pytest.TestReport(test, (test, None, ""), {}, outcome, None, when, duration=seconds)  # type: ignore[arg-type]  # checked above


def test_the_report_says_what_failed_and_how_long_each_took() -> None:
    report = Report(SavedStates(Lab(), sources="these"), ("tests/lab", "--report"), sources=("abc123", False))
    report.states.took.append(("load up", 28.4))
    for test, outcome in (("test_one", "passed"), ("test_two", "failed")):
        for when in ("setup", "call", "teardown"):
            said = outcome if when == "call" else "passed"
            report.pytest_runtest_logreport(_phase(f"tests/lab/test_x.py::{test}", when, said, 1))
    report.pytest_runtest_logreport(_phase("tests/lab/test_y.py::test_three", "setup", "failed", 100))
    assert report.outcomes["tests/lab/test_x.py::test_two"] == Outcome("failed", 3)
    text = report.text(3 * 60)
    assert "- commit: abc123, with changes that are not committed" in text
    assert "- chosen: pytest tests/lab --report" in text
    assert "- outcome: 1 error, 1 failed, 1 passed" in text
    assert "## tests/lab/test_x.py: 6.0 s" in text
    assert "| test_two | failed | 3.0 s |" in text
    assert "| test_three | error | 1 min 40 s |" in text
    assert "| load up | 28.4 s |" in text
