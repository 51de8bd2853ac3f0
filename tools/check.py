"""`make test` and its parts: every check that needs no lab, as many at once as there are processors.

`python -m tools.check [PART…]`, of the parts that `PARTS` has; without one, all. Every check runs, even if one fails:
then the output of each that failed is shown, and the status is 1. Owns the table of checks and the last lines that
pytest wrote, which are repeated at the end. How one looks while it runs is the lab's steps' matter.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lab import kubernetes, paths
from lab.steps import LabError, Plan, StepLog, elapsed
from tools import sources

PARTS = ("lint", "unit", "scripts", "standins", "go", "charts")
_BIN = paths.VENV / "bin"
_LOGS = paths.CACHE / "checks/logs"
# Its own last line: "3 failed, 800 passed in 9.87s", between equals signs or not.
_CLOSING = re.compile(r"=*\s*(.*\b\d+ (?:passed|failed|errors?|skipped)\b.* in [\d.]+s.*?)\s*=*")


@dataclass(frozen=True)
class Check:
    """Commands of a part, of which each is run even if one before it fails, in the environment that `env` adds to."""

    part: str
    name: str
    commands: tuple[tuple[str | Path, ...], ...]
    env: tuple[tuple[str, str], ...] = ()
    first: Callable[[StepLog], object] | None = None
    """What the commands need and is made if it is not there."""

    def run(self, log: StepLog) -> None:
        """Runs them all; a LabError has those that failed."""
        if self.first:
            self.first(log)
        failed = []
        for command in self.commands:
            try:
                log.run(command, env={"PATH": f"{_BIN}{os.pathsep}{os.environ['PATH']}", **dict(self.env)})
            except LabError as error:
                failed.append(str(error))
        if failed:
            raise LabError("; ".join(failed))


def checks() -> Iterator[Check]:
    """The table. What takes longest stands first: it begins first."""

    def pytest(*words: str | Path) -> tuple[str | Path, ...]:
        return (sys.executable, "-m", "pytest", "--quiet", *words)

    # Without those that need GitLab Runner, which is minutes to build: they go with the lab's, which builds it anyway.
    yield Check("standins", "stand-ins", (pytest("tests/standins", "--ignore", "tests/standins/runner"),))
    for module in sources.tested_go_modules():
        name = module.relative_to(sources.ROOT)
        # Without a C compiler, as all that is built in Go here: what they have in common is compiled once.
        env = (("CGO_ENABLED", "0"),)
        # Without what a tag leaves out, as services/*/Dockerfile builds them.
        tags = ("-tags", "nomsgpack") if name.parts[0] == "services" else ()
        # Without the folder's name in what is compiled, another clone has it in its cache too.
        words = ("-C", module, "-trimpath", *tags)
        # What `go test` would vet has been.
        commands = (("go", "vet", *words, "./..."), ("go", "test", *words, "-vet=off", "./..."))
        yield Check("go", f"go vet, go test: {name}", commands, env)
    yield Check("lint", "mypy", (("mypy", "."),))
    # Two, since one waits for the processes that it starts, most of the time. By file: what tests share is made once.
    by_file = ("--numprocesses", "2", "--dist", "loadfile")
    yield Check("scripts", "scripts", (pytest("tests/scripts", *by_file),))
    yield Check("unit", "unit tests", (pytest("tests/unit"),))
    yield Check("charts", "charts", (pytest("tests/charts"),), first=kubernetes.helm)
    yield Check("lint", "shellcheck", (("shellcheck", "--external-sources", *sources.shell_scripts()),))
    yield Check("lint", "ruff", (("ruff", "check", "."), ("ruff", "format", "--check", ".")))


def run(parts: list[str]) -> int:
    """Runs the checks of some parts; the exit status."""
    again = "make test" if set(parts) == set(PARTS) else f"make {' '.join(parts)}"
    processors = len(os.sched_getaffinity(0))
    # Of its own: `make lint` beside `make test` took away what that was about to read.
    logs = _LOGS / again.removeprefix("make ").replace(" ", "-")
    plan = Plan(again, logs, at_once=processors, keep_going=True)
    shutil.rmtree(logs, ignore_errors=True)
    for check in checks():
        if check.part in parts:
            plan.add(check.name, check.run)
    started = time.monotonic()
    try:
        plan.run()
    except SystemExit:
        status, told = 1, "FAILED"
    else:
        status, told = 0, "passed"
    for name in plan.names():
        if line := _closing_line(plan.log(name)):
            print(f"{name}: {line}")
    print(f"{again}: {told}, {len(plan.names())} checks in {elapsed(time.monotonic() - started)}", flush=True)
    return status


def _closing_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    found = [match[1] for line in lines if (match := _CLOSING.fullmatch(line))]
    return found[-1] if found else ""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="check", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parts = parser.parse_args().parts
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    return run(parts or list(PARTS))


if __name__ == "__main__":
    sys.exit(main())
