"""Destroyed is gone, and can come again."""

from __future__ import annotations

import pytest

from tests.lab.driver import DOMAIN, SERVERS, Lab, difference


@pytest.fixture(scope="module")
def destroyed(lab: Lab) -> dict[str, dict[str, list[str]]]:
    """What the machines are like after `pulumi destroy`."""
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    return {machine: lab.snapshot(machine) for machine in SERVERS}


@pytest.mark.parametrize("machine", SERVERS)
def test_nothing_is_left_on_the_machine(lab: Lab, destroyed: dict[str, dict[str, list[str]]], machine: str) -> None:
    assert difference(lab.before[machine], destroyed[machine]) == {}


def test_second_destroy_is_quiet(lab: Lab, destroyed: object) -> None:
    again = lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    assert again.changes == {}
    assert "error" not in again.output.lower()


def test_up_after_destroy_works_and_the_serial_still_grows(lab: Lab, destroyed: object) -> None:
    lab.lab("up").succeeded()
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://registry.{DOMAIN}/v2/") == "200"


def test_a_machine_that_is_gone_is_told_and_can_be_forgotten(lab: Lab) -> None:
    """As docs/operations.md says: out of the state, then out of the settings."""
    lab.power_off("k8s")
    try:
        refused = lab.pulumi("destroy", "--yes", "--skip-preview").failed()
        assert "10.77.0.14" in refused.output
        urns = lab.pulumi("stack", "--show-urns").succeeded().output
        urn = next(word for word in urns.split() if word.endswith("::k8s-ready"))
        lab.pulumi("state", "delete", "--yes", "--target-dependents", urn).succeeded()
        lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    finally:
        lab.lab("restart", "k8s").succeeded()
