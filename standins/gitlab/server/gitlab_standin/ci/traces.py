"""Job logs: appended by runners, with masked values kept out of what is stored.

Runners mask as well; here a value that slipped through is overwritten with as many characters, so that the runner's
offsets stay right.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path

from gitlab_standin.database import Row
from gitlab_standin.settings import Settings

_LOCKS: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
_MASK = b"[MASKED]"


def path(settings: Settings, job_id: int) -> Path:
    return settings.traces / f"{job_id // 1000}/{job_id}.log"


def read(settings: Settings, job: Row) -> bytes:
    file = path(settings, job["id"])
    return file.read_bytes() if file.exists() else b""


def size(settings: Settings, job_id: int) -> int:
    file = path(settings, job_id)
    return file.stat().st_size if file.exists() else 0


def append(settings: Settings, job_id: int, start: int, chunk: bytes, masked: list[str]) -> int | None:
    """Add a chunk at an offset; returns the new size, or None where the offset is beyond the end."""
    secrets = [value.encode() for value in masked if len(value) >= len(_MASK)]
    file = path(settings, job_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    with _LOCKS[job_id]:
        there = size(settings, job_id)
        if start > there:
            return None
        # A runner that got no answer sends a piece again.
        chunk = chunk[there - start :]
        # A value may lie across two chunks.
        overlap = min(there, max((len(value) for value in secrets), default=1) - 1)
        with file.open("r+b" if there else "w+b") as log:
            log.seek(there - overlap)
            text = log.read(overlap) + chunk
            for value in sorted(secrets, key=len, reverse=True):
                text = text.replace(value, _MASK.ljust(len(value), b"*"))
            log.seek(there - overlap)
            log.write(text)
        return there + len(chunk)


def delete(settings: Settings, job_id: int) -> None:
    path(settings, job_id).unlink(missing_ok=True)
