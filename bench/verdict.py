"""What the benchmarks have in common: the last line, and whether the promise is kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def kept(ratios: Sequence[float], bound: float | None) -> bool:
    """Print the median of the ratios, and their range; whether the median is within the bound, if there is one."""
    median = statistics.median(ratios)
    if bound is None:
        print(f"median ratio {median:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), no bound")
        return True
    verdict = "within" if median <= bound else "ABOVE"
    print(f"median ratio {median:.2f} (from {min(ratios):.2f} to {max(ratios):.2f}), {verdict} the bound of {bound}")
    return median <= bound
