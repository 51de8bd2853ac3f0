"""A run that was ended as hard as it gets is finished by the next one."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from lab import stack, tools
from tests.lab.driver import DOMAIN, ROOT, Lab, eventually

pytestmark = [pytest.mark.state("bare", changes=True), pytest.mark.full]


def test_an_interrupted_run_is_finished_by_the_next(lab: Lab) -> None:
    run = subprocess.Popen(
        stack.command(["up", "--yes", "--skip-preview"]),
        cwd=ROOT,
        env={**os.environ, **stack.environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "docker-engine" in line and "installing docker.io" in line:
            break
    # Neither Pulumi nor its plugins can say goodbye.
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    eventually("the end of pulumi's plugins", lambda: not tools.processes(), 10)
    lab.lab("up").succeeded()
    assert set(lab.up().succeeded().changes) == {"unchanged"}
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://registry.{DOMAIN}/v2/") == "200"
