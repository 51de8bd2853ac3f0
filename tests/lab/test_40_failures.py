"""Failures are told: what was found, on which machine or key, and what to do. And an interrupted run is finished."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from tests.lab.driver import CACHE, DOMAIN, ROOT, Lab


def test_all_bad_settings_at_once_before_any_resource(lab: Lab) -> None:
    lab.config("domain", "Devops")
    lab.config("registry.hots", "registry")
    lab.config("ca.algorithm", "DSA")
    try:
        refused = lab.up().failed()
    finally:
        lab.config("domain", DOMAIN)
        lab.config("registry.hots", None)
        lab.config("ca", None)
    for key in ("auto-devops:domain", "auto-devops:registry.hots", "auto-devops:ca.algorithm"):
        assert key in refused.output
    assert "did you mean registry.host?" in refused.output
    assert "3 settings of stack 'dev' are wrong; nothing was changed." in refused.output
    assert "Traceback" not in refused.output
    assert set(lab.up().succeeded().changes) == {"unchanged"}


def test_another_machine_at_the_address_is_refused(lab: Lab) -> None:
    """A wrong host key ends the run before anything is sent to whoever answers there."""
    known_hosts = CACHE / "lab" / "ssh" / "known_hosts"
    right = known_hosts.read_text()
    keys = {line.split()[0]: line for line in right.splitlines() if "ecdsa" in line}
    others = right.replace(keys["10.77.0.11"].split()[2], keys["10.77.0.14"].split()[2])
    known_hosts.write_text(others)
    try:
        refused = lab.up().failed()
    finally:
        known_hosts.write_text(right)
    assert "10.77.0.11" in refused.output
    assert "host key" in refused.output.lower()
    lab.up().succeeded()


def test_an_interrupted_run_is_finished_by_the_next(lab: Lab) -> None:
    lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    run = subprocess.Popen(
        [sys.executable, "-m", "lab", "pulumi", "up", "--yes", "--skip-preview"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert run.stdout is not None
    for line in run.stdout:
        if "docker-engine" in line and "installing docker.io" in line:
            break
    # As hard as it gets: neither Pulumi nor its plugins can say goodbye.
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    time.sleep(1)
    lab.lab("up").succeeded()
    assert set(lab.up().succeeded().changes) == {"unchanged"}
    assert lab.workstation(f"curl -sS -o /dev/null -w '%{{http_code}}' https://registry.{DOMAIN}/v2/") == "200"
