"""Which versions of GitLab may follow which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scripts.gitlab.server import SCRIPTS
from tests.scripts.machine import Machine


def upgrade(machine: Machine, running: str | None, wanted: str) -> subprocess.CompletedProcess[str]:
    if running:
        Path(machine.variables["DATA"], "data/gitlab-rails/VERSION").write_text(running + "\n")
    return machine.run(SCRIPTS / "version.sh", WANTED=wanted)


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        (None, "19.2.0"),
        ("19.2.0", "19.2.0"),
        ("19.2.0", "19.2.4"),
        ("19.1.3", "19.2.0"),
        ("19.2.0", "19.5.1"),
        ("18.11.9", "19.2.0"),
        ("18.11.9-ee", "19.0.1"),
        ("17.3.7", "17.5.5"),
        ("16.11.10", "17.3.7"),
        ("9.5.10", "9.5.11"),
    ],
)
def test_upgrades_to_the_next_stop_are_allowed(machine: Machine, running: str | None, wanted: str) -> None:
    done = upgrade(machine, running, wanted)
    assert (done.returncode, done.stdout) == (0, f"{wanted}\n"), done.stderr


@pytest.mark.parametrize(
    ("running", "wanted", "stop"),
    [
        ("19.1.3", "19.3.0", "19.2"),
        ("19.2.0", "19.8.0", "19.5"),
        ("18.8.1", "19.2.0", "18.11"),
        ("18.5.0", "20.0.0", "18.8"),
        ("17.2.0", "17.5.0", "17.3"),
        ("17.3.7", "18.2.0", "17.5"),
        ("15.4.0", "19.2.0", "15.11"),
    ],
)
def test_skipped_stops_are_refused_with_the_next(machine: Machine, running: str, wanted: str, stop: str) -> None:
    done = upgrade(machine, running, wanted)
    assert done.returncode == 1
    assert f"past its required stop {stop}\n" in done.stderr
    assert f"set gitlab.image to the last patch release of {stop}," in done.stderr


@pytest.mark.parametrize(("running", "wanted"), [("19.2.4", "19.2.0"), ("19.10.0", "19.9.3"), ("19.2.0", "18.11.1")])
def test_the_way_back_is_refused(machine: Machine, running: str, wanted: str) -> None:
    done = upgrade(machine, running, wanted)
    assert done.returncode == 1
    assert f"data of GitLab {running}" in done.stderr and f"set gitlab.image to version {running}" in done.stderr


def gitlab_with(machine: Machine, version: str, migrations: str) -> None:
    """GitLab of that version runs; `migrations` is what a shell does when they are asked for."""
    answers = f"*inspect*) echo true ;; *VERSION) echo {version} ;; *BatchedMigration*) {migrations} ;;"
    machine.fake("docker", f'case "$*" in {answers} esac')


def test_no_upgrade_while_background_migrations_are_under_way(machine: Machine) -> None:
    gitlab_with(machine, "19.2.0", "echo a warning; echo 3")
    done = upgrade(machine, "19.2.0", "19.5.1")
    assert done.returncode == 1
    assert "3 background migrations" in done.stderr and "BatchedMigration.queued.count" in done.stderr
    gitlab_with(machine, "19.2.0", "echo 0")
    assert upgrade(machine, "19.2.0", "19.5.1").returncode == 0
    gitlab_with(machine, "19.2.0", "exit 1")
    unknown = upgrade(machine, "19.2.0", "19.5.1")
    assert unknown.returncode == 0 and "does not say" in unknown.stderr


@pytest.mark.parametrize("version", ["19.2.0", "19.5.1"])
def test_migrations_are_asked_for_before_an_upgrade_only(machine: Machine, version: str) -> None:
    """Not of the version that is wanted, also where its first configuration was interrupted."""
    gitlab_with(machine, "19.5.1", "echo 3")
    assert upgrade(machine, version, "19.5.1").returncode == 0
