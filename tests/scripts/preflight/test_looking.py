"""The look at all machines, against a real sshd."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

import settings
from components.host import Check, Finding
from preflight import here, looking, names, plan, progress, ssh
from settings import Stack
from settings.machines import Machine
from tests.scripts.preflight import sshd as real
from tests.scripts.preflight.sshd import Sshd

needs_sshd = pytest.mark.skipif(
    not real.available() or os.geteuid() != 0, reason="needs openssh-server, and root, as which checks run"
)


@pytest.fixture
def stack(sshd: Sshd, tmp_path: Path) -> Stack:
    """A stack; its only machine is replaced by each test's own."""
    key = tmp_path / "key of the settings"
    key.write_text(sshd.machine.private_key or "")
    return settings.parse(
        {
            "domain": "devops.example.com",
            "ssh": {"privateKeyFile": str(key)},
            "hosts": {"registry": {"address": "192.0.2.1", "hostKey": sshd.machine.host_key}},
            "dns": {"provider": "none"},
            "registry": {"host": "registry"},
        }
    )


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The one check that there is; nothing else is asked of anyone."""
    script = tmp_path / "check.sh"
    script.write_text('ok user "$(id -un)"\nwarn swap on off "swapoff -a"\nrefuse "$WHAT" small large "buy one"\n')

    def checks(stack: Stack, reached: set[str]) -> dict[str, list[Check]]:
        return {name: [Check(each, f"{name}-x", script, {"WHAT": "disk"})] for name, each in stack.machines.items()}

    async def nothing(stack: Stack, reached: set[str]) -> list[Finding]:
        return []

    async def no_names(stack: Stack, name: str) -> list[Finding]:
        return []

    monkeypatch.setattr(plan, "checks", checks)
    monkeypatch.setattr(here, "look", nothing)
    monkeypatch.setattr(names, "look", no_names)
    return script


def of_machines(stack: Stack, *machines: Machine) -> Stack:
    """The stack, with these machines instead."""
    return replace(stack, machines={machine.name: machine for machine in machines})


def looked(stack: Stack, told: list[str] | None = None) -> list[Finding]:
    """What is found, at once."""
    return looking.look(stack, "dev", 0, (told if told is not None else []).append)


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
def test_a_machine_that_takes_long_is_told(
    stack: Stack, looks: Path, sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a busy computer connecting takes long enough to be told as well.
    monkeypatch.setattr(progress, "AGAIN", 0.0)
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
