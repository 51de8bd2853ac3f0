"""The look at all machines: against a real sshd where a connection matters."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

import preflight
import settings
from components.host import Check, Finding
from preflight import here, looking, plan, ssh
from preflight.progress import Progress
from settings import Stack
from settings.machines import Machine
from tests.unit.conftest import run_with
from tests.unit.preflight import sshd as real
from tests.unit.preflight.sshd import Sshd

# Looking is done with the function that the whole program's tests do without.
LOOK = looking.look

needs_sshd = pytest.mark.skipif(
    not real.available() or os.geteuid() != 0, reason="needs openssh-server, and root, as which checks run"
)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A machine that is this computer."""
    running = real.start(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture
def stack(good: dict[str, Any]) -> Stack:
    """A stack of four machines."""
    return settings.parse(good)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The one check that there is; nothing else is asked of anyone."""
    script = tmp_path / "check.sh"
    script.write_text('ok user "$(id -un)"\nwarn swap on off "swapoff -a"\nrefuse "$WHAT" small large "buy one"\n')

    def checks(stack: Stack, reached: set[str]) -> dict[str, list[Check]]:
        return {name: [Check(each, f"{name}-x", script, {"WHAT": "disk"})] for name, each in stack.machines.items()}

    async def nothing(stack: Stack, reached: set[str]) -> list[Finding]:
        return []

    monkeypatch.setattr(plan, "checks", checks)
    monkeypatch.setattr(here, "look", nothing)
    return script


def of_machines(stack: Stack, *machines: Machine) -> Stack:
    """The stack, with these machines instead."""
    return replace(stack, machines={machine.name: machine for machine in machines})


def looked(stack: Stack, told: list[str] | None = None) -> list[Finding]:
    """What is found, at once."""
    return LOOK(stack, 0, (told if told is not None else []).append)


@needs_sshd
def test_findings_of_all_machines_refusals_first(stack: Stack, looks: Path, sshd: Sshd) -> None:
    machines = [sshd.other(name="one"), sshd.other(name="two"), sshd.other(name="gone", port=real.free_port())]
    found = looked(of_machines(stack, *machines))
    assert [each.level for each in found] == sorted((each.level for each in found), key="refused warning ok".find)
    assert {(each.machine, each.what) for each in found if each.level == "refused"} == {
        ("one", "disk"),
        ("two", "disk"),
        ("gone", "SSH"),
    }
    assert {(each.machine, each.what) for each in found if each.level == "ok"} >= {
        ("one", "SSH"),
        ("one", "user"),
        ("one", "clock"),
    }


@needs_sshd
def test_nothing_stays_on_the_machine(stack: Stack, looks: Path, sshd: Sshd) -> None:
    before = {str(path) for place in ("/run", "/run/lock", "/var/lib") for path in Path(place).iterdir()}
    looked(of_machines(stack, sshd.machine))
    assert {str(path) for place in ("/run", "/run/lock", "/var/lib") for path in Path(place).iterdir()} == before


@needs_sshd
def test_what_the_settings_ignore_is_a_warning(stack: Stack, looks: Path, sshd: Sshd) -> None:
    """By a script's own word, and where there was no script at all."""
    ignoring = [
        sshd.other(name="one", ignore=("disk",)),
        sshd.other(name="gone", port=real.free_port(), ignore=("SSH",)),
    ]
    found = looked(of_machines(stack, *ignoring))
    assert {(each.machine, each.what) for each in found if each.level == "warning"} >= {
        ("one", "disk"),
        ("gone", "SSH"),
    }
    assert not [each for each in found if each.level == "refused"]


@needs_sshd
def test_a_check_that_breaks_is_told_and_ends_nothing(stack: Stack, looks: Path, sshd: Sshd) -> None:
    looks.write_text('ok user root\necho "no such thing" >&2\nexit 7\n')
    found = looked(of_machines(stack, sshd.machine))
    broken = next(each for each in found if each.what.startswith("look of"))
    assert broken.level == "warning" and broken.found == "ended with status 7: no such thing"
    assert any(each.what == "user" for each in found)


@needs_sshd
def test_a_login_shell_that_prints_is_passed_over(stack: Stack, looks: Path, tmp_path: Path) -> None:
    noisy = real.start(tmp_path, options='ForceCommand echo Welcome; echo to you >&2; eval "$SSH_ORIGINAL_COMMAND"')
    try:
        found = looked(of_machines(stack, noisy.machine))
    finally:
        noisy.stop()
    assert {each.what for each in found} == {"SSH", "user", "swap", "disk", "clock"}


@needs_sshd
def test_a_machine_that_takes_long_is_told(stack: Stack, looks: Path, sshd: Sshd) -> None:
    looks.write_text("sleep 1.8\nok user root\n")
    told: list[str] = []
    looked(of_machines(stack, sshd.machine), told)
    assert [line for line in told if line.startswith("preflight: here: looking (here-x) (")]


@needs_sshd
def test_machines_are_looked_at_at_the_same_time(
    stack: Stack, looks: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits until both have begun."""
    monkeypatch.setattr(ssh, "COMMAND_SECONDS", 90.0)
    begun = looks.parent / "begun"
    begun.mkdir()
    script = f'touch {begun}/$$; all() {{ [ "$(ls {begun} | wc -l)" = 2 ]; }}\nawait 60 others all\nok user root\n'
    looks.write_text(script)
    found = looked(of_machines(stack, *(sshd.other(name=f"m{number}") for number in range(2))))
    assert [each.machine for each in found if each.what == "user"] == ["m0", "m1"]


def test_a_quick_machine_is_not_told() -> None:
    told: list[str] = []

    async def run() -> None:
        progress = Progress(told.append)
        async with progress.shown():
            progress.at("slow", "connecting")
            progress.at("quick", "connecting")
            progress.done("quick")
            await asyncio.sleep(1.3)

    real.finished(run())
    assert told == ["preflight: slow: connecting (1 s)"]


def test_a_machine_is_told_at_most_every_five_seconds() -> None:
    told: list[str] = []

    async def run() -> None:
        progress = Progress(told.append)
        async with progress.shown():
            for step in range(9):
                progress.at("slow", f"step {step}")
                await asyncio.sleep(0.3)

    real.finished(run())
    assert len(told) == 1


def finds(monkeypatch: pytest.MonkeyPatch, *found: Finding) -> list[float]:
    """The look comes to this; the patience of each look."""
    asked: list[float] = []

    def look(stack: Stack, patience: float, tell: object) -> list[Finding]:
        asked.append(patience)
        assert threading.current_thread() is threading.main_thread()
        return list(found)

    monkeypatch.setattr(looking, "look", look)
    return asked


REFUSED = Finding("dns", "refused", "system", "Plan 9", "Debian 12", "install it")
WARNED = Finding("k8s", "warning", "swap", "on", "off", "swapoff -a")
FINE = Finding("k8s", "ok", "user", "root")


def test_up_ends_before_the_first_resource(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finds(monkeypatch, REFUSED, WARNED, FINE)
    with pytest.raises(pulumi.RunError) as caught:
        run_with(good)
    assert asked == [30.0]
    text = str(caught.value)
    assert text.startswith("1 thing keeps the machines from what they are asked to be; nothing was changed.\n\n")
    assert (
        "  dns (192.168.80.110): system\n    found:    Plan 9\n    expected: Debian 12\n    fix:      install it"
        in text
    )
    assert "pulumi config set --path 'auto-devops:hosts.dns.ignore[0]' system" in text
    assert "swap" not in text


def test_up_goes_on_with_warnings(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, WARNED, FINE)
    warned: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", warned.append)
    preflight.require(stack)
    assert warned == ["k8s: swap: on; better: off; swapoff -a"]


def test_a_preview_looks_at_nothing(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finds(monkeypatch, REFUSED)
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    run_with(good)
    assert asked == []


def test_a_stack_may_do_without(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = finds(monkeypatch, REFUSED)
    run_with(good | {"preflight": {"enabled": False}})
    assert asked == []
