"""What is awaited of which machine, told where it takes longer than a second."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

FIRST, AGAIN = 1.0, 5.0
"""Seconds until the first line of a machine, and between two of them."""


class Progress:
    """The machines that are not done, and what each waits for."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._started = tell, time.monotonic()
        self._waiting: dict[str, str] = {}
        self._told: dict[str, float] = {}

    def at(self, machine: str, what: str) -> None:
        """The machine has come to `what`."""
        self._waiting[machine] = what

    def done(self, machine: str) -> None:
        """Nothing is awaited of the machine any more."""
        self._waiting.pop(machine, None)

    @contextlib.asynccontextmanager
    async def shown(self) -> AsyncIterator[None]:
        """Tells while the body runs."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        await asyncio.sleep(FIRST)
        while True:
            now = time.monotonic()
            for machine, what in self._waiting.items():
                if machine not in self._told or now - self._told[machine] >= AGAIN:
                    self._told[machine] = now
                    self._tell(f"preflight: {machine}: {what} ({now - self._started:.0f} s)")
            await asyncio.sleep(0.5)
