"""What `make test-full` writes: the commit, what passed and what failed, and how long each took."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from lab import paths
from lab.steps import elapsed
from tests.lab.states import SavedStates

FOLDER = paths.CACHE / "reports"


@dataclass
class Outcome:
    """One test: the worst that was said of its phases, and the seconds of all of them."""

    word: str = "passed"
    seconds: float = 0


@dataclass(eq=False)
class Report:
    """A pytest plugin that writes one file at the end of the session, and says where."""

    states: SavedStates
    arguments: tuple[str, ...]
    """Those that pytest was given: which tests were chosen."""
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    sources: tuple[str, bool] = field(default_factory=lambda: _sources())
    """The commit, and whether nothing differed from it, when the session began."""
    _started: float = field(default_factory=time.monotonic)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = self.outcomes.setdefault(report.nodeid, Outcome())
        outcome.seconds += report.duration
        if not report.passed and outcome.word == "passed":
            # A failure in setup or teardown is an error in pytest's words.
            outcome.word = "error" if report.failed and report.when != "call" else report.outcome

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        commit, _ = self.sources
        FOLDER.mkdir(parents=True, exist_ok=True)
        file = FOLDER / f"test-full-{commit[:12]}.md"
        file.write_text(self.text(time.monotonic() - self._started))
        terminalreporter.write_line(f"The report is in {file}")

    def text(self, seconds: float) -> str:
        """The file's content, of a session that took so long."""
        commit, clean = self.sources
        words = [outcome.word for outcome in self.outcomes.values()]
        counts = ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words))) or "no test ran"
        lines = [
            "# make test-full",
            "",
            f"- commit: {commit}, {'clean' if clean else 'with changes that are not committed'}",
            f"- chosen: pytest {shlex.join(self.arguments)}",
            f"- begun: {self.began:%Y-%m-%d %H:%M} UTC; took {elapsed(seconds)}",
            f"- machine: {os.cpu_count()} cores",
            f"- outcome: {counts}",
            "",
            "The first test of a file has what bringing up its state took.",
        ]
        files = dict.fromkeys(test.partition("::")[0] for test in self.outcomes)
        for name in files:
            tests = {test: outcome for test, outcome in self.outcomes.items() if test.partition("::")[0] == name}
            total = sum(outcome.seconds for outcome in tests.values())
            lines += ["", f"## {name}: {elapsed(total)}", "", "| test | outcome | took |", "|---|---|---|"]
            for test, outcome in tests.items():
                lines.append(f"| {test.partition('::')[2]} | {outcome.word} | {elapsed(outcome.seconds)} |")
        lines += ["", "## States", "", "| what | took |", "|---|---|"]
        lines += [f"| {what} | {elapsed(took)} |" for what, took in self.states.took]
        return "\n".join(lines) + "\n"


def _sources() -> tuple[str, bool]:
    """The commit that is checked out, and whether nothing differs from it."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(paths.REPOSITORY), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "HEAD"), not git("status", "--porcelain")
