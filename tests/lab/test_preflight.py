"""The look at the machines before anything is changed, as a user runs it."""

from __future__ import annotations

import time

import pytest

from tests.lab.driver import Lab

pytestmark = pytest.mark.state("up")
# Nobody's.
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICsev4Sfe6LF/VHJWtMVCb5B1wyvhveHD8GhTJAE65TF"


def test_machines_that_run_are_fine_and_are_left_as_they_are(lab: Lab) -> None:
    before = lab.snapshot("k8s")
    started = time.monotonic()
    done = lab.lab("preflight", "--json").succeeded()
    took = time.monotonic() - started
    found = done.json()
    assert found["refused"] == 0, found
    assert {each["machine"] for each in found["findings"]} >= {"dns", "registry", "gitlab", "k8s", "this computer"}
    assert took < 30, took  # ten seconds, and what the lab's own start and other tests take
    assert lab.snapshot("k8s") == before


@pytest.mark.full
def test_another_host_key_is_refused_and_up_ends_with_it(lab: Lab) -> None:
    with lab.changed({"hosts.dns.hostKey": OTHER_KEY}):
        refused = lab.lab("preflight").failed()
        ended = lab.up().failed()
    assert "dns" in refused.output and "host key" in refused.output
    assert "1 thing keeps the machines from what they are asked to be; nothing was changed." in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.full
def test_an_apt_source_that_is_gone_is_a_warning(lab: Lab) -> None:
    file = "/etc/apt/sources.list.d/gone.list"
    lab.on("dns", f"echo 'deb http://gone.lab.internal/debian bookworm main' >{file}").succeeded()
    try:
        found = lab.lab("preflight", "--json").succeeded().findings("warning")
        up = lab.up().succeeded()
    finally:
        lab.on("dns", f"rm {file}").succeeded()
    assert "gone.lab.internal" in found["dns", "apt source"]["found"]
    assert set(up.changes) == {"unchanged"} and "gone.lab.internal" in up.output


@pytest.mark.full
def test_a_source_that_is_gone_does_not_end_what_has_begun(lab: Lab) -> None:
    usual = {"mirrors.cni": "https://mirror.lab.internal/cni"}
    with lab.changed({"mirrors.cni": "https://gone.lab.internal/cni"}, undo=usual):
        found = lab.lab("preflight", "--json").succeeded().findings("warning")
    assert "Could not resolve host" in found["k8s", "download from gone.lab.internal"]["found"]
