"""What a test asks to go wrong with the next calls of an action: refused, answered late, or done and never answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from standins.alidns.errors import BUSY


@dataclass
class Fault:
    """`action` may be `*`. One of: `code` (refused with it, nothing done), `drop` (done, and the connection closed
    without an answer), `delay` (done, and answered so many seconds later)."""

    action: str
    times: int = 1
    code: str = ""
    delay: float = 0.0
    drop: bool = False


def problem(found: dict[str, Any], known: Callable[[str], bool]) -> str | None:
    if extra := set(found) - set(Fault.__dataclass_fields__):
        return f"unknown: {', '.join(sorted(extra))}"
    action = found.get("action", "")
    if action != "*" and not known(action):
        return f"no action of the stand-in's: {action}"
    if found.get("code") and found["code"] not in BUSY:
        return f"no such code; there are {', '.join(BUSY)}"
    if sum(bool(found.get(kind)) for kind in ("code", "delay", "drop")) != 1:
        return "a fault has one of code, delay, drop"
    return None


class Faults:
    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def take(self, action: str) -> Fault | None:
        """The first that fits, used once."""
        with self._lock:
            for fault in self._faults:
                if fault.action in {"*", action}:
                    fault.times -= 1
                    if not fault.times:
                        self._faults.remove(fault)
                    return fault
        return None

    def shown(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]
