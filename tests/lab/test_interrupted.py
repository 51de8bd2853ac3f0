"""A run that was ended as hard as it gets is finished by the next one."""

from __future__ import annotations

import pytest

from tests.lab.driver import DOMAIN, Lab

pytestmark = [pytest.mark.state("bare", changes=True), pytest.mark.full]


def test_an_interrupted_run_is_finished_by_the_next(lab: Lab) -> None:
    lab.interrupted(lambda line: "docker-engine" in line and "installing docker.io" in line)
    lab.lab("up").succeeded()
    assert set(lab.up().succeeded().changes) == {"unchanged"}
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://registry.{DOMAIN}/v2/") == "200"
