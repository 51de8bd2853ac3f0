"""Runs the lab's steps: independent ones in parallel, each with its name, elapsed time and a log of its own.

Owns how progress and failures look. Knows nothing of what the steps do.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.text import Text

from lab import paths

console = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
PLAIN_REPORT_EVERY = 30.0
"""Seconds between two plain lines about the same waiting step, where there is no terminal."""


_children: set[subprocess.Popen[bytes]] = set()


class LabError(Exception):
    """Something the lab cannot go on from: what was found, what was expected, and what to do (`fix`)."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class StepLog:
    """What a running step writes to: its log file, and the one line that says what it waits for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.awaited = ""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", encoding="utf-8")

    def awaiting(self, what: str) -> None:
        """Say what is awaited now."""
        self.awaited = _plain(what)
        self.write(what)

    def write(self, line: str) -> None:
        """Add a line to the log only."""
        self._file.write(line.rstrip("\n") + "\n")
        self._file.flush()

    def run(
        self,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes | None = None,
    ) -> str:
        """Run a command to its end, its output going to the log and its last line to the progress; return it.

        `env` is added to the process's own. A failure is a LabError that names the command and its status.
        """
        words = [str(word) for word in command]
        self.write("$ " + shlex.join(words))
        process = subprocess.Popen(
            words,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _children.add(process)
        lines = []
        try:
            if stdin is not None and process.stdin:
                process.stdin.write(stdin)
                process.stdin.close()
            assert process.stdout
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip()
                lines.append(line)
                self.write(line)
                if _plain(line):
                    self.awaited = _plain(line)
            status = process.wait()
        finally:
            _children.discard(process)
            if process.poll() is None:
                process.kill()
                process.wait()
        if status:
            raise LabError(f"`{shlex.join(words)}` ended with status {status}")
        return "\n".join(lines)

    def close(self) -> None:
        self._file.close()


Action = Callable[[StepLog], str | None]


@dataclass
class Step:
    """A named piece of work; `after` names the steps it needs. Its action may return a note on what it found."""

    name: str
    action: Action
    after: tuple[str, ...] = ()
    log: StepLog | None = field(default=None, repr=False)
    started: float = 0.0
    seconds: float | None = None
    note: str = ""
    error: BaseException | None = None


class Plan:
    """Steps and their order. `run` carries them out and ends with the first failure's SystemExit.

    `again` is the command that goes on after a failure, `logs` where each step's log goes, `at_once` how many steps may
    run at the same time. With `keep_going` every step runs whatever becomes of the others, and a failed one's output is
    shown whole.
    """

    def __init__(
        self, again: str, logs: Path = paths.LOGS, *, at_once: int | None = None, keep_going: bool = False
    ) -> None:
        self._steps: dict[str, Step] = {}
        self.again = again
        self._logs = logs
        self._at_once = at_once
        self._keep_going = keep_going

    def add(self, name: str, action: Action, after: Sequence[str] = ()) -> str:
        """Add a step; returns its name for later steps' `after`."""
        unknown = [dependency for dependency in after if dependency not in self._steps]
        if name in self._steps or unknown:
            raise ValueError(f"step {name!r}: added twice, or after unknown steps {unknown}")
        self._steps[name] = Step(name, action, tuple(after))
        return name

    def names(self) -> list[str]:
        """The names of all steps added so far."""
        return list(self._steps)

    def log(self, name: str) -> Path:
        """Where a step's log goes."""
        return self._logs / (name.replace(" ", "-").replace("/", "-") + ".log")

    def run(self) -> None:
        """Run all steps. After a failure no new step starts, but those under way are let finish (see `keep_going`)."""
        changed = threading.Condition()
        waiting = dict(self._steps)
        running: dict[str, Step] = {}
        finished: set[str] = set()
        failed: list[Step] = []

        def work(step: Step) -> None:
            assert step.log
            try:
                step.note = step.action(step.log) or ""
            except BaseException as error:  # reported below, whatever it is
                step.error = error
                step.log.write(f"FAILED: {error!r}")
            finally:
                step.seconds = time.monotonic() - step.started
                step.log.close()
                with changed:
                    changed.notify_all()

        with _interruptible(), _progress(running) as report, changed:
            while running or (waiting and (self._keep_going or not failed)):
                if self._keep_going or not failed:
                    ready = [s for s in waiting.values() if finished.issuperset(s.after)]
                    free = len(ready) if self._at_once is None else self._at_once - len(running)
                    for step in ready[:free]:
                        del waiting[step.name]
                        step.log = StepLog(self.log(step.name))
                        step.started = time.monotonic()
                        running[step.name] = step
                        threading.Thread(target=work, args=(step,), name=step.name, daemon=True).start()
                changed.wait(timeout=0.2)
                for step in [s for s in running.values() if s.seconds is not None]:
                    del running[step.name]
                    if step.error is not None:
                        failed.append(step)
                    if step.error is None or self._keep_going:
                        finished.add(step.name)
                    report(step)
        for step in failed:
            self._explain(step)
        if failed:
            raise SystemExit(1)

    def _explain(self, step: Step) -> None:
        assert step.log and step.error
        console.print(f"\n[bold red]{escape(step.name)} failed:[/] {escape(str(step.error) or repr(step.error))}")
        lines = step.log.path.read_text(encoding="utf-8", errors="replace").splitlines()
        shown = [line for line in lines if line.strip() and not line.startswith("FAILED: ")]
        for line in shown if self._keep_going else shown[-15:]:
            console.print(f"  [dim]│[/] {escape(line)}")
        console.print(f"Log: {step.log.path}")
        fix = getattr(step.error, "fix", "") or "fix what it names"
        if self._keep_going:
            console.print(f"To go on: {escape(fix)}, then `{self.again}` again.")
        else:
            console.print(f"To go on: {escape(fix)}, then `{self.again}` continues where it stopped.")


def end_children() -> None:
    """Ask the commands under way to stop (pulumi then ends in order), and end those that don't."""
    children = list(_children)
    for child in children:
        child.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 60
    for child in children:
        try:
            child.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def _interruptible() -> Iterator[None]:
    """An interrupt ends the commands under way too: they run in sessions of their own."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        end_children()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _plain(line: str) -> str:
    """A command's line without terminal control sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line).strip()


def elapsed(seconds: float) -> str:
    """A time span for people."""
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {int(seconds % 60):02d} s"


@contextmanager
def _progress(running: Mapping[str, Step]) -> Iterator[Callable[[Step], None]]:
    """Show the running steps: a live region on a terminal, plain lines now and then elsewhere."""

    def result(step: Step) -> Text:
        ok = step.error is None
        text = Text("✓ " if ok else "✗ ", style="green" if ok else "bold red")
        text.append(step.name, style="default")
        text.append(f"  {elapsed(step.seconds or 0)}", style="dim")
        if step.note:
            text.append(f"  {step.note}", style="dim")
        return text

    def line(step: Step) -> str:
        awaited = step.log.awaited if step.log else ""
        return f"… {step.name}  {elapsed(time.monotonic() - step.started)}" + (f"  {awaited}" if awaited else "")

    if console.is_terminal:

        class Region:
            def __rich__(self) -> Group:
                return Group(*(Text(line(s), no_wrap=True, overflow="ellipsis") for s in list(running.values())))

        with Live(Region(), console=console, refresh_per_second=5, transient=True):
            yield lambda step: console.print(result(step))
        return

    stop = threading.Event()

    def tell() -> None:
        told: dict[str, float] = {}
        while not stop.wait(1):
            for step in list(running.values()):
                last = told.get(step.name, step.started)
                if step.seconds is None and time.monotonic() - last >= PLAIN_REPORT_EVERY:
                    told[step.name] = time.monotonic()
                    console.print(line(step), markup=False)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield lambda step: console.print(result(step))
    finally:
        stop.set()
        teller.join()


def wait_until(log: StepLog, what: str, ready: Callable[[], bool], seconds: float, fix: str = "") -> None:
    """Wait until `ready()`; a LabError says what did not come within `seconds`."""
    log.awaiting(what)
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:.0f} s", fix)
        time.sleep(0.2)
