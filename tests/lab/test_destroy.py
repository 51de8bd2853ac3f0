"""Destroyed is gone, and can come again."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.lab.driver import DOMAIN, SERVERS, Lab, difference

pytestmark = pytest.mark.state("up", changes=True)


@dataclass(frozen=True)
class Destroyed:
    """What the zone's serial was before `pulumi destroy`, and what the machines are like after it."""

    serial: int
    left: dict[str, dict[str, list[str]]]


def serial(lab: Lab) -> int:
    return int(lab.workstation(f"dig +short @10.77.0.11 {DOMAIN} SOA").split()[2])


@pytest.fixture(scope="module")
def destroyed(lab: Lab) -> Destroyed:
    before = serial(lab)
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    return Destroyed(before, {machine: lab.snapshot(machine) for machine in SERVERS})


@pytest.mark.parametrize("machine", SERVERS)
def test_nothing_is_left_on_the_machine(lab: Lab, destroyed: Destroyed, machine: str) -> None:
    assert difference(lab.before[machine], destroyed.left[machine]) == {}


def test_second_destroy_is_quiet(lab: Lab, destroyed: Destroyed) -> None:
    again = lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    assert again.changes == {}
    assert "error" not in again.output.lower()


@pytest.mark.full
def test_up_after_destroy_works_and_the_serial_still_grows(lab: Lab, destroyed: Destroyed) -> None:
    lab.lab("up").succeeded()
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://registry.{DOMAIN}/v2/") == "200"
    assert serial(lab) > destroyed.serial
