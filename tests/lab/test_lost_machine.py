"""A machine that is gone for good does not keep the rest of the stack from being destroyed."""

from __future__ import annotations

import pytest

from tests.lab.driver import Lab

pytestmark = [pytest.mark.state("up", changes=True), pytest.mark.full]


def test_a_machine_that_is_gone_is_told_and_can_be_forgotten(lab: Lab) -> None:
    """As docs/operations.md says: out of the state, then out of the settings."""
    lab.power_off("k8s")
    refused = lab.pulumi("destroy", "--yes", "--skip-preview").failed()
    assert "10.77.0.14" in refused.output
    urns = lab.pulumi("stack", "--show-urns").succeeded().output
    urn = next(word for word in urns.split() if word.endswith("::k8s-ready"))
    lab.pulumi("state", "delete", "--yes", "--target-dependents", urn).succeeded()
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
