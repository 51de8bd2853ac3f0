"""How much longer `pulumi preview` of the whole stack takes than that of an empty Python program.

Usage: `make bench`. It needs the tools that `make preview` builds, but neither machines nor the lab (sizes.py). Stacks
of several sizes, each on a fresh state and on one that has all its resources, are previewed in turn, each right after
an empty program, so that what else the computer does burdens both. Prints, for each stack, the median over the rounds
of what it takes above its empty neighbour, and the processor time of that, which a busy computer changes less; ends
with 1 where a time is above the bound, which is meant for 2 cores that have nothing else to do. The lab may run, but
not be loaded or taken down meanwhile: that ends every process of its tools, the bench's too.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from bench.sizes import Place, Stack

ROUNDS = 7
PROJECTS = (0, 2, 20, 45)
"""In the settings: about 110, 150 (as stack dev), 500 and 1,000 resources."""
START = 1.2
EACH = 0.0037
"""Seconds that a preview may take above an empty one, at the start and for each resource."""


@dataclass
class Case:
    """One stack on one state."""

    state: str
    resources: int
    stack: Stack
    above: list[float] = field(default_factory=list)
    """Seconds above the empty program's preview, by round."""
    processor: list[float] = field(default_factory=list)
    """Seconds of the processors above the empty program's, by round."""

    @property
    def bound(self) -> float:
        """What the median of `above` may be, in seconds."""
        return START + EACH * self.resources

    def report(self) -> bool:
        """Print the case's line; whether it is within the bound."""
        median = statistics.median(self.above)
        good = median <= self.bound
        print(
            f"{self.resources:9} {self.state:>9} {median:8.2f} {min(self.above):6.2f} to {max(self.above):5.2f}"
            f" {statistics.median(self.processor):9.2f} {self.bound:6.2f}  {'within' if good else 'ABOVE'}"
        )
        return good


def cases(place: Place, projects: int) -> list[Case]:
    """A stack of a size on both kinds of state."""
    fresh, existing = place.whole("fresh", projects), place.whole("existing", projects)
    planned = fresh.changes()
    place.pretend_up(existing)
    found = existing.changes()
    # Nothing may differ on the made state: else other work than that of an unchanged stack would be measured.
    if set(planned) != {"create"} or found != {"same": planned["create"]}:
        sys.exit(f"{projects} projects: fresh {planned}, existing {found}; expected all created, then all the same")
    return [Case("fresh", planned["create"], fresh), Case("existing", planned["create"], existing)]


def main() -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="bench", description="what `pulumi preview` takes above an empty program")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--projects", type=int, nargs="*", default=PROJECTS, help="sizes, in projects")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        empty = place.empty()
        measured = [case for projects in arguments.projects for case in cases(place, projects)]
        empty.preview()  # not counted: fills the file cache
        alone = []
        for _ in range(arguments.rounds):
            for case in measured:
                (none, none_processor), (whole, whole_processor) = empty.preview(), case.stack.preview()
                alone.append(none)
                case.above.append(whole - none)
                case.processor.append(whole_processor - none_processor)
        print(f"empty program: median {statistics.median(alone):.2f} s ({min(alone):.2f} to {max(alone):.2f})")
        print(f"{'resources':>9} {'state':>9} {'above it':>8} {'range':>15} {'processor':>9} {'bound':>6}  (seconds)")
        kept = [case.report() for case in measured]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
