"""How much longer `pulumi preview` of the whole stack takes than that of an empty Python program.

Usage: `make bench`, after `make up`. The two run in turn, pair by pair, on the same engine, language host and kind of
state, so that what else the machine does burdens both. Prints each pair's ratio; ends with 1 where the median ratio is
above the bound that the project promises.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.verdict import kept
from lab import paths, stack

PAIRS = 7
BOUND = 3.0
"""The stack's preview takes at most this many times the empty program's (the project's first issue)."""


def seconds(command: Sequence[str], directory: Path, environment: dict[str, str]) -> float:
    """How long a command takes that has to succeed."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return took


def main() -> int:
    """Measure and print; the exit status."""
    environment = {**os.environ, **stack.environment()}
    whole = stack.command(["preview"])
    with tempfile.TemporaryDirectory() as name:
        empty = Path(name)
        (empty / "Pulumi.yaml").write_text("name: empty\nruntime: python\n")
        (empty / "__main__.py").write_text("")
        environment_of_empty = {**environment, "PULUMI_BACKEND_URL": f"file://{empty}"}
        seconds(["pulumi", "stack", "init", "bench", "--non-interactive"], empty, environment_of_empty)
        preview = ["pulumi", "preview", "--stack", "bench", "--non-interactive"]

        def pair() -> tuple[float, float]:
            return (
                seconds(whole, paths.REPOSITORY, environment),
                seconds(preview, empty, environment_of_empty),
            )

        pair()  # not counted: fills the file cache
        print(f"{'stack':>8} {'empty':>8} {'ratio':>6}   `pulumi preview`, seconds")
        ratios = []
        for _ in range(PAIRS):
            mine, theirs = pair()
            ratios.append(mine / theirs)
            print(f"{mine:8.2f} {theirs:8.2f} {ratios[-1]:6.2f}")
    return 0 if kept(ratios, BOUND) else 1


if __name__ == "__main__":
    sys.exit(main())
