"""`make down` leaves this machine as it was; only the caches stay."""

from __future__ import annotations

from pathlib import Path

from tests.lab.driver import CACHE, Lab, eventually, outside


def test_nothing_is_left_of_the_lab(lab: Lab) -> None:
    lab.lab("down").succeeded()
    eventually(
        "this machine's processes as before", lambda: outside()["processes"] == lab.outside_before["processes"], 15
    )
    assert outside() == lab.outside_before
    assert not Path("/run/auto-devops-lab").exists()
    assert not (CACHE / "lab").exists()


def test_second_down_is_quiet(lab: Lab) -> None:
    assert "down already" in lab.lab("down").succeeded().output
