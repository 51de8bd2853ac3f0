"""What the benchmarks have in common: the last line, and whether the promise is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def kept(ratios: Sequence[float], bound: float) -> bool:
    """Print the median of the pairs' ratios, and their range; whether the median is within the bound."""
    median = statistics.median(ratios)
    verdict = "within" if median <= bound else "ABOVE"
    print(f"median ratio {median:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), {verdict} the bound of {bound}")
    return median <= bound
