"""The runner's own log, on standard error: a message and its fields, as GitLab Runner writes them."""

from __future__ import annotations

import sys
import threading

_lock = threading.Lock()


class RunnerError(Exception):
    """Something the runner cannot go on from; the text says what was found and what to do."""


def log(message: str, level: str = "", **fields: object) -> None:
    """Write one line. Secrets are the caller's to leave out."""
    text = f"{level}: {message}" if level else message
    details = " ".join(f"{name}={value}" for name, value in fields.items())
    with _lock:
        print(f"{text:<58} {details}".rstrip(), file=sys.stderr, flush=True)


def warn(message: str, **fields: object) -> None:
    """Write one line that someone should look at."""
    log(message, "WARNING", **fields)


def error(message: str, **fields: object) -> None:
    """Write one line about something that failed."""
    log(message, "ERROR", **fields)
