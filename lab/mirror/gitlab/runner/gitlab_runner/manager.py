"""`gitlab-runner run`: asks every configured server for jobs and runs them, up to `concurrent` at a time.

Follows changes of config.toml while it runs. SIGQUIT lets jobs finish, SIGTERM and SIGINT end them.
"""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from types import FrameType

from . import VERSION, config, job
from .api import GitLab, certificate_file
from .config import Config, Runner
from .docker import Docker
from .executor import Execution
from .logs import RunnerError, error, log, warn
from .system_id import system_id
from .trace import BOLD_RED, Trace

_LOOK_AT_FILE = 1.0
_DEFAULT_INTERVAL = 3
_HEALTH_CHECK = 60.0
"""Seconds for which a server that refuses the runner's token is left alone."""


class Manager:
    """All that runs in the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._config = config.load(path)
        self._file = self._signature()
        self._system_id = system_id(path.parent)
        self._changed = threading.Condition()
        self._busy: dict[int, tuple[Runner, int, Execution | None]] = {}
        self._next = 0
        self._loops: dict[tuple[str, str], Loop] = {}
        self._stopping = threading.Event()
        self._aborting = False

    def run(self) -> int:
        """Work until a signal ends it; returns the exit status."""
        for number in (signal.SIGQUIT, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._signalled)
        signal.signal(signal.SIGHUP, lambda *_: self._reload(force=True))
        log(f"Starting multi-runner from {self._path}...", version=VERSION, system_id=self._system_id)
        self._clean_up()
        self._apply(self._config)
        while not self._stopping.wait(_LOOK_AT_FILE):
            self._reload()
        self._wait_for_jobs()
        log("All jobs done, exiting")
        return 0

    @property
    def interval(self) -> float:
        """Seconds between two requests for jobs."""
        return self._config.check_interval if self._config.check_interval > 0 else _DEFAULT_INTERVAL

    @property
    def stopping(self) -> bool:
        """Whether no more jobs are wanted."""
        return self._stopping.is_set()

    @property
    def system_id(self) -> str:
        """What tells this process's machine from others with the same token."""
        return self._system_id

    def wait_for_room(self, runner: Runner, stopped: threading.Event) -> bool:
        """Wait until the runner may ask for a job; False if it is stopped first."""
        with self._changed:
            while not self._has_room(runner):
                if stopped.is_set() or self.stopping:
                    return False
                self._changed.wait(timeout=1.0)
        return not (stopped.is_set() or self.stopping)

    def start(self, runner: Runner, server: GitLab, found: job.Job) -> None:
        """Run a job in a thread of its own."""
        threading.Thread(target=self._work, args=(runner, server, found), name=f"job {found.id}").start()

    def _has_room(self, runner: Runner) -> bool:
        mine = sum(1 for each, _, _ in self._busy.values() if each.token == runner.token)
        return len(self._busy) < self._config.concurrent and not (runner.limit and mine >= runner.limit)

    def _work(self, runner: Runner, server: GitLab, found: job.Job) -> None:
        with self._changed:
            # Several requests wait at the servers at once: a job may come when the last place has just been taken.
            while not self._has_room(runner) and not self._aborting:
                self._changed.wait(timeout=1.0)
            key, self._next = self._next, self._next + 1
            taken = {slot for each, slot, _ in self._busy.values() if each.token == runner.token}
            slot = next(number for number in range(len(taken) + 1) if number not in taken)
            self._busy[key] = (runner, slot, None)
        try:
            execution = Execution(runner, found, server, self._system_id, slot)
        except RunnerError as problem:
            refuse(server, found.id, found.token, str(problem))
        else:
            with self._changed:
                self._busy[key] = (runner, slot, execution)
                if self._aborting:
                    execution.abort()
            execution.run()
        finally:
            with self._changed:
                del self._busy[key]
                self._changed.notify_all()

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _reload(self, *, force: bool = False) -> None:
        found = self._signature()
        if found == self._file and not force:
            return
        self._file = found
        try:
            self._apply(config.load(self._path))
        except (RunnerError, OSError, UnicodeDecodeError) as problem:
            error(f"Failed to load config, the last one stays in use: {problem}")

    def _apply(self, wanted: Config) -> None:
        log("Configuration loaded", builds=len(self._busy), max_builds=wanted.concurrent, runners=len(wanted.runners))
        with self._changed:
            self._config = wanted
            self._changed.notify_all()
        by_key = {(each.url, each.token): each for each in wanted.runners}
        for key, loop in list(self._loops.items()):
            if by_key.get(key) != loop.runner:
                loop.stop()
                del self._loops[key]
        for key, runner in by_key.items():
            if key not in self._loops:
                self._loops[key] = Loop(self, runner)

    def _clean_up(self) -> None:
        """Remove what a run that was killed left in the engines."""
        for host in {each.docker.host for each in self._config.runners} or {config.Docker().host}:
            try:
                count, problems = Docker(host, self._system_id).clean_up()
            except RunnerError as problem:
                warn(f"Looking for what earlier jobs left failed: {problem}")
                continue
            if count:
                log(f"Removed {count - len(problems)} of {count} things that earlier jobs left", engine=host)
            for each in problems:
                error(each)

    def _signalled(self, number: int, _frame: FrameType | None) -> None:
        log("Stopping: waiting for jobs" if number == signal.SIGQUIT else "Stopping: ending jobs")
        if number != signal.SIGQUIT:
            self._aborting = True
        self._stopping.set()

    def _wait_for_jobs(self) -> None:
        for loop in self._loops.values():
            loop.stop()
        deadline: float | None = None
        with self._changed:
            while self._busy:
                if self._aborting:
                    deadline = deadline or time.monotonic() + self._config.shutdown_timeout
                    for _, _, execution in self._busy.values():
                        if execution:
                            execution.abort()
                    if time.monotonic() > deadline:
                        warn("Jobs have not ended in time; what they left is removed at the next start")
                        return
                self._changed.wait(timeout=0.5)


class Loop:
    """Asks for jobs with one runner's token, until it is stopped."""

    def __init__(self, manager: Manager, runner: Runner) -> None:
        self.runner = runner
        self._manager = manager
        self._stopped = threading.Event()
        # A request under way may last a minute; the process need not wait for it.
        threading.Thread(target=self._run, name=f"loop {runner.short_token}", daemon=True).start()

    def stop(self) -> None:
        """Ask for no more jobs."""
        self._stopped.set()

    def _run(self) -> None:
        runner, manager = self.runner, self._manager
        server = self._connect()
        last_update = ""
        while server and manager.wait_for_room(runner, self._stopped):
            asked = time.monotonic()
            answer = server.request_job(runner.token, manager.system_id, last_update)
            last_update = answer.headers.get("X-GitLab-Last-Update") or last_update
            pause = manager.interval
            if answer.status == 201:
                self._take(server, answer.json())
                pause = 0  # there may be more
            elif answer.status == 204:
                # A server that kept the request waiting has been asked recently enough.
                pause = max(0.0, pause - (time.monotonic() - asked))
            elif answer.status in (401, 403):
                error("Checking for jobs... forbidden: the server does not know the token", runner=runner.short_token)
                pause = _HEALTH_CHECK
            else:
                warn("Checking for jobs... failed", runner=runner.short_token, status=answer.status, answer=answer.text)
            self._stopped.wait(pause)

    def _connect(self) -> GitLab | None:
        """The server, once its CA is there; verifies the token."""
        runner, told = self.runner, ""
        while not self._stopped.is_set():
            try:
                server = GitLab(runner.url, certificate_file(runner.url, runner.tls_ca_file))
            except OSError as problem:  # ssl.SSLError is one too
                if str(problem) != told:
                    told = str(problem)
                    error(f"tls-ca-file cannot be used: {problem}", file=runner.tls_ca_file)
                self._stopped.wait(_DEFAULT_INTERVAL)
                continue
            answer = server.verify(runner.token, self._manager.system_id)
            if answer.status == 200:
                log("Verifying runner... is valid", runner=runner.short_token)
                return server
            if answer.status in (401, 403):
                error("Verifying runner... is removed", runner=runner.short_token)
                self._stopped.wait(_HEALTH_CHECK)
            else:
                if answer.text != told:
                    told = answer.text
                    warn("Verifying runner... failed", runner=runner.short_token, status=answer.status, answer=told)
                self._stopped.wait(_DEFAULT_INTERVAL)
        return None

    def _take(self, server: GitLab, payload: dict[str, object]) -> None:
        log("Checking for jobs... received", job=payload.get("id"), runner=self.runner.short_token)
        try:
            found = job.parse(payload)
        except RunnerError as problem:
            refuse(server, int(str(payload.get("id"))), str(payload.get("token")), str(problem))
            return
        self._manager.start(self.runner, server, found)


def refuse(server: GitLab, number: int, token: str, why: str) -> None:
    """Fail a job before anything of it has run, and say why in its log."""
    error(f"job refused: {why}", job=number)
    trace = Trace(server, number, token, [token], 1 << 20)
    trace.say(f"ERROR: Job failed (system failure): {why}", BOLD_RED)
    trace.finish("failed", "runner_system_failure")
