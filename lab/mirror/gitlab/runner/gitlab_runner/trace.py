"""A job's log on its way to the server: masked, limited, sent while the job runs; brings back cancellation."""

from __future__ import annotations

import threading
import time
import zlib
from collections.abc import Iterable

from .api import Answer, GitLab
from .logs import warn
from .masking import Masker

_INTERVAL = 1.0
"""Seconds between two looks at whether there is something to send."""
_TOUCH = 5.0
"""Seconds without output after which the server is asked whether the job is still wanted."""
_PIECE = 512 * 1024
_LAST_TRIES = 8

RESET, BOLD_GREEN, BOLD_RED, BOLD_CYAN, BOLD_YELLOW = "\x1b[0;m", "\x1b[32;1m", "\x1b[31;1m", "\x1b[36;1m", "\x1b[0;33m"


class Trace:
    """The log of one job. `write` may be called by any thread."""

    def __init__(self, server: GitLab, job: int, token: str, secrets: Iterable[str], limit: int) -> None:
        """`limit`: bytes of log that are kept."""
        self._server, self._job, self._token, self._limit = server, job, token, limit
        self._masker = Masker(secrets)
        self._lock = threading.Lock()
        self._content = bytearray()
        self._sent = 0
        self._full = False
        self._quiet_since = time.monotonic()
        self._ended = threading.Event()
        self.cancelled = threading.Event()
        """Set once the server no longer wants the job."""
        self._sender = threading.Thread(target=self._send_on, name=f"trace {job}", daemon=True)
        self._sender.start()

    def write(self, data: bytes) -> None:
        """Add output of the job."""
        with self._lock:
            self._append(self._masker.feed(data))

    def say(self, text: str, colour: str = "") -> None:
        """Add a line of the runner's own."""
        self.write(f"{colour}{text}{RESET if colour else ''}\n".encode())

    def section(self, name: str, title: str) -> Section:
        """What is written within it belongs to a section that a reader can fold."""
        return Section(self, name, title)

    def finish(self, state: str, reason: str = "", exit_code: int | None = None) -> None:
        """Send the rest, then the job's final state, until the server has taken it."""
        with self._lock:
            self._append(self._masker.flush())
        self._ended.set()
        self._sender.join()
        for attempt in range(_LAST_TRIES):
            if self._send():
                break
            time.sleep(min(2**attempt, 15))
        more: dict[str, object] = {"failure_reason": reason} if reason else {}
        if exit_code is not None:
            more["exit_code"] = exit_code
        checksum = f"crc32:{zlib.crc32(self._content):08x}"
        more |= {"checksum": checksum, "output": {"checksum": checksum, "bytesize": len(self._content)}}
        for attempt in range(_LAST_TRIES):
            answer = self._server.update_job(self._job, self._token, state, **more)
            if answer.status == 200 or (400 <= answer.status < 500 and answer.status != 429):
                break
            # 202: the server is still putting the log together.
            time.sleep(min(2**attempt, 15))
        if answer.status != 200 and not self.cancelled.is_set():
            warn("Updating job... failed", job=self._job, status=answer.status, answer=answer.text)

    def _append(self, data: bytes) -> None:
        if self._full:
            return
        room = self._limit - len(self._content)
        self._content += data[:room]
        if len(data) > room:
            self._full = True
            self._content += (
                f"\n{BOLD_RED}Job's log exceeded limit of {self._limit} bytes.{RESET}\n"
                "Job execution will continue but no more output will be collected.\n"
            ).encode()

    def _send_on(self) -> None:
        while not self._ended.wait(_INTERVAL):
            self._send()

    def _send(self) -> bool:
        """Send what is new; whether the server has all now."""
        while True:
            with self._lock:
                piece = bytes(self._content[self._sent : self._sent + _PIECE])
            if not piece:
                break
            answer = self._server.append_trace(self._job, self._token, self._sent, piece)
            self._heed(answer)
            if answer.status == 202:
                self._sent += len(piece)
                self._quiet_since = time.monotonic()
            elif answer.status == 416 and (end := _end_of_range(answer)) is not None:
                self._sent = end  # the server has more, or less, than was thought
            else:
                # Where the job is gone there is nothing to be gained by trying again.
                return answer.status in (401, 403, 404)
        if not self._ended.is_set() and time.monotonic() - self._quiet_since > _TOUCH:
            self._quiet_since = time.monotonic()
            self._heed(self._server.update_job(self._job, self._token, "running"))
        return True

    def _heed(self, answer: Answer) -> None:
        state = answer.headers.get("Job-Status") or ""
        if state in ("canceled", "canceling", "failed") or answer.status in (401, 403, 404):
            self.cancelled.set()


class Section:
    """Marks the beginning and the end of a part of the log, as GitLab's pages read them."""

    def __init__(self, trace: Trace, name: str, title: str) -> None:
        self._trace, self._name, self._title = trace, name, title

    def __enter__(self) -> None:
        self._trace.write(f"section_start:{int(time.time())}:{self._name}\r\x1b[0K".encode())
        self._trace.say(f"\x1b[0K{self._title}", BOLD_CYAN)

    def __exit__(self, *_: object) -> None:
        self._trace.write(f"section_end:{int(time.time())}:{self._name}\r\x1b[0K".encode())


def _end_of_range(answer: Answer) -> int | None:
    end = (answer.headers.get("Range") or "").rpartition("-")[2]
    return int(end) if end.isdigit() else None
