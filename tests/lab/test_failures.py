"""Failures are told: what was found, on which machine or key, and what to do."""

from __future__ import annotations

import pytest

from lab import paths
from tests.lab.driver import DOMAIN, Lab

pytestmark = pytest.mark.state("up")


def test_all_bad_settings_at_once_before_any_resource(lab: Lab) -> None:
    wrong = {"domain": "Devops", "registry.hots": "registry", "ca.algorithm": "DSA"}
    with lab.changed(wrong, undo={"domain": DOMAIN, "registry.hots": None, "ca": None}):
        refused = lab.up().failed()
    for key in ("auto-devops:domain", "auto-devops:registry.hots", "auto-devops:ca.algorithm"):
        assert key in refused.output
    assert "did you mean registry.host?" in refused.output
    assert "3 settings of stack 'dev' are wrong; nothing was changed." in refused.output
    assert "Traceback" not in refused.output
    assert set(lab.up().succeeded().changes) == {"unchanged"}


def test_another_machine_at_the_address_is_refused(lab: Lab) -> None:
    """A wrong host key ends the run before anything is sent to whoever answers there."""
    known_hosts = paths.KNOWN_HOSTS
    right = known_hosts.read_text()
    keys = {line.split()[0]: line for line in right.splitlines() if "ed25519" in line}
    others = right.replace(keys["10.77.0.11"].split()[2], keys["10.77.0.14"].split()[2])
    known_hosts.write_text(others)
    try:
        refused = lab.up().failed()
    finally:
        known_hosts.write_text(right)
    assert "10.77.0.11" in refused.output
    assert "host key" in refused.output.lower()
    lab.up().succeeded()
