"""`make down` leaves this machine as it was; only the caches stay."""

from __future__ import annotations

import pytest

from lab import paths
from tests.lab.driver import Lab, eventually, outside

pytestmark = pytest.mark.state("up", changes=True)


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, list[str]]:
    """What this machine is like without a lab."""
    if lab.outside_before is not None:
        return lab.outside_before
    # A lab was there when the session began: it goes, and comes again.
    lab.lab("down").succeeded()
    found = outside()
    lab.lab("load", "up").succeeded()
    return found


def test_nothing_is_left_of_the_lab(lab: Lab, before: dict[str, list[str]]) -> None:
    lab.lab("down").succeeded()
    eventually("this machine's processes as before", lambda: outside()["processes"] == before["processes"], 15)
    assert outside() == before
    assert not paths.RUN.exists()
    assert not paths.LAB.exists()


def test_second_down_is_quiet(lab: Lab, before: object) -> None:
    assert "down already" in lab.lab("down").succeeded().output
