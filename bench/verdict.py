"""What the benchmarks have in common: the last line, and whether the promise is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def kept(ratios: Sequence[float], bound: float | None) -> bool:
    """Print the median of the ratios, and their range; whether the median is within the bound, if there is one."""
    median = statistics.median(ratios)
    good = bound is None or median <= bound
    verdict = "no bound" if bound is None else f"{'within' if good else 'ABOVE'} the bound of {bound}"
    print(f"median ratio {median:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), {verdict}")
    return good
