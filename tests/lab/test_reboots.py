"""A machine that is rebooted comes back as it was, and changes nothing for the others."""

from __future__ import annotations

import json

import pytest

from tests.lab.driver import ADDRESSES, REGISTRY, SERVERS, Lab, eventually

pytestmark = pytest.mark.state("up")
CATALOG = f"curl -sS https://{REGISTRY}/v2/_catalog"


@pytest.mark.parametrize(
    "machine",
    [
        # GitLab's machine has the most to bring back: containers of its own, a moved sshd, a mapped port 22.
        machine if machine == "gitlab" else pytest.param(machine, marks=pytest.mark.full)
        for machine in SERVERS
    ],
)
def test_everything_holds_after_a_reboot(lab: Lab, web: str, machine: str) -> None:
    before = json.loads(lab.workstation(CATALOG))
    lab.lab("restart", machine).succeeded()
    address = ADDRESSES["registry"]
    eventually("the names", lambda: lab.on("workstation", f"dig +short +time=1 {REGISTRY}").output.strip() == address)
    url = f"curl -sS -o /dev/null -w '%{{http_code}}' https://{REGISTRY}/v2/"
    eventually("the registry", lambda: lab.on("workstation", url).output == "200")
    lab.workstation("docker version")
    for each in SERVERS:
        assert address in lab.on(each, f"getent hosts {REGISTRY}").succeeded().output
        assert lab.on(each, "systemctl is-system-running").succeeded().output.strip() == "running"
    assert json.loads(lab.workstation(CATALOG)) == before
    assert set(lab.up().succeeded().changes) == {"unchanged"}
