"""Twice is the same as once, and a reboot changes nothing."""

from __future__ import annotations

import pytest

from tests.lab.driver import DOMAIN, REGISTRY, SERVERS, Lab, eventually


def test_up_again_changes_nothing(lab: Lab) -> None:
    changes = lab.up().succeeded().changes
    assert set(changes) == {"unchanged"}, changes


def test_preview_sees_nothing_to_do(lab: Lab) -> None:
    assert set(lab.pulumi("preview").succeeded().changes) == {"unchanged"}


def test_refresh_sees_no_drift(lab: Lab) -> None:
    changes = lab.pulumi("refresh", "--yes", "--skip-preview").succeeded().changes
    assert set(changes) == {"unchanged"}, changes
    assert set(lab.up().succeeded().changes) == {"unchanged"}


def test_make_up_again_is_quiet(lab: Lab) -> None:
    assert set(lab.pulumi("preview").succeeded().changes) == {"unchanged"}
    lab.lab("up").succeeded()
    assert set(lab.pulumi("preview").succeeded().changes) == {"unchanged"}


@pytest.mark.parametrize("machine", SERVERS)
def test_everything_holds_after_a_reboot(lab: Lab, machine: str) -> None:
    lab.lab("restart", machine).succeeded()
    eventually(
        "the names", lambda: lab.on("workstation", f"dig +short +time=1 {REGISTRY}").output.strip() == "10.77.0.12"
    )
    url = f"curl -sS -o /dev/null -w '%{{http_code}}' https://{REGISTRY}/v2/"
    eventually("the registry", lambda: lab.on("workstation", url).output == "200")
    lab.workstation("docker version")
    for each in SERVERS:
        assert "10.77.0.12" in lab.on(each, f"getent hosts registry.{DOMAIN}").succeeded().output
        assert lab.on(each, "systemctl is-system-running").succeeded().output.strip() == "running"
    assert "demo/web" in lab.workstation(f"curl -sS https://{REGISTRY}/v2/_catalog")
    assert set(lab.up().succeeded().changes) == {"unchanged"}
