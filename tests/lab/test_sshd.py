"""GitLab takes port 22 and gives it back, and the machine is never out of reach meanwhile."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lab import machines
from lab.inventory import machine
from tests.lab.driver import DOMAIN, Lab, eventually

pytestmark = pytest.mark.state("up")
GITLAB = machine("gitlab")


def logs_in(port: int) -> bool:
    """Whether the machine's own account answers on this port, with its own host key."""
    command = machines.ssh_command(GITLAB, "true")
    command[1:1] = ["-p", str(port), "-o", "ConnectTimeout=3"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def watched() -> Iterator[list[bool]]:
    """Tries to log in on both ports all the time; each entry says whether one of them let it."""
    tries: list[bool] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            tries.append(logs_in(22) or logs_in(2222))
            over.wait(0.3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield tries
    finally:
        over.set()
        watcher.join()


def git_answers(lab: Lab, port: int) -> bool:
    return f"gitlab.{DOMAIN}" in lab.on("workstation", f"ssh-keyscan -p {port} gitlab.{DOMAIN} 2>&1").output


def test_the_machine_is_within_reach_before_during_and_after(lab: Lab) -> None:
    assert logs_in(2222)
    assert not logs_in(22), "port 22 is git's: no account of the machine, another host key"
    # As docs/operations.md says: both ports first, then the old one alone.
    both = {"gitlab.sshPort": 2022, "gitlab.machineSshPort": 2222}
    with watched() as tries:
        with lab.changed(both):
            lab.up().succeeded()
            assert logs_in(22)
            assert logs_in(2222)
            lab.config("gitlab.machineSshPort", None)
            lab.up().succeeded()
            assert logs_in(22)
            assert not logs_in(2222)
            eventually("git on 2022", lambda: git_answers(lab, 2022))
        assert logs_in(2222)
        assert not logs_in(22)
        eventually("git on 22", lambda: git_answers(lab, 22))
    assert len(tries) > 20
    # A reload of sshd closes its ports for milliseconds: who is refused then gets in at once.
    locked_out = [number for number in range(1, len(tries)) if not tries[number - 1] and not tries[number]]
    assert not locked_out, f"out of reach at tries {locked_out} of {len(tries)}"
    assert set(lab.up().succeeded().changes) == {"unchanged"}
