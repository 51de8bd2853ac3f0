"""What is told of machines that take long."""

from __future__ import annotations

import asyncio

from preflight.progress import Progress
from tests.scripts.preflight import sshd as real


def test_a_quick_machine_is_not_told() -> None:
    told: list[str] = []

    async def run() -> None:
        progress = Progress(told.append)
        async with progress.shown():
            progress.at("slow", "connecting")
            progress.at("quick", "connecting")
            progress.done("quick")
            await asyncio.sleep(1.3)

    real.finished(run())
    assert told == ["preflight: slow: connecting (1 s)"]


def test_a_machine_is_told_at_most_every_five_seconds() -> None:
    told: list[str] = []

    async def run() -> None:
        progress = Progress(told.append)
        async with progress.shown():
            for step in range(9):
                progress.at("slow", f"step {step}")
                await asyncio.sleep(0.3)

    real.finished(run())
    assert len(told) == 1
