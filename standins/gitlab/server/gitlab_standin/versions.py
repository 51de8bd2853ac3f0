"""GitLab's upgrade path: which version's data another version may start on."""

from __future__ import annotations

import re

STOPS = (2, 5, 8, 11)
"""The minor versions of every major one that no upgrade may leave out."""


class UpgradeError(ValueError):
    """Data that this version must not start on."""


def check(previous: str, current: str) -> None:
    """Raises UpgradeError unless `current` may start on data of `previous`."""
    old, new = _minor(previous), _minor(current)
    if _number(previous) > _number(current):
        raise UpgradeError(
            f"The data was written by GitLab {previous}, this is {current}: GitLab can't be downgraded. "
            f"Start image {previous}-ce.0, or restore a backup that {current} made."
        )
    missed = [
        f"{major}.{minor}" for major in range(old[0], new[0] + 1) for minor in STOPS if old < (major, minor) < new
    ]
    if missed:
        raise UpgradeError(
            f"It seems you are upgrading from {previous} to {current}. It is required to upgrade to the latest "
            f"{missed[0]}.x version first before proceeding (required stops on the way: {', '.join(missed)})."
        )


def _number(version: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    if match is None:
        raise UpgradeError(f"{version!r} is no GitLab version")
    return tuple(map(int, match.groups()))


def _minor(version: str) -> tuple[int, int]:
    number = _number(version)
    return number[0], number[1]
