"""Rules that every script for a machine keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.machine import ROOT, Machine

SCRIPTS = sorted((ROOT / "components").glob("*/scripts/*.sh"))
OTHERS = (
    "run.sh",
    "lib.sh",
    "no-root.sh",
    "findings.sh",
    "files.sh",
    "packages.sh",
    "registry-gc.sh",
    "docker-prune.sh",
    "docker-options.sh",
    "docker-live-restore.sh",
    "docker-images.sh",
    "docker-rules.sh",
    "host-ports.sh",
    "approve-kubelets.sh",
    "renew-certificates.sh",
    "programs.sh",
)
STEPS = [path for path in SCRIPTS if path.name not in OTHERS]


def test_there_are_scripts() -> None:
    assert len(STEPS) >= 12


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_script_stops_at_the_first_error(path: Path) -> None:
    assert "set -euo pipefail" in path.read_text()


@pytest.mark.parametrize("path", STEPS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_step_leaves_run_shs_trap_alone(path: Path) -> None:
    """A trap of its own would replace the one that removes the bundle, secrets and all, from the machine."""
    assert "trap " not in path.read_text()


@pytest.mark.parametrize("path", STEPS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_step_says_what_it_is_for(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# shellcheck shell=bash"
    assert lines[1].startswith("# ")


def test_a_removed_unit_is_forgotten_even_if_it_failed(tmp_path: Path) -> None:
    """A machine whose removed unit had failed stays degraded until that is reset."""
    machine = Machine(tmp_path / "machine")
    machine.fake(
        "systemctl",
        'case $* in *is-active*) false ;; *disable* | *stop* | *reset-failed*) [ "$2" != b.service ] ;; esac',
    )
    script = tmp_path / "remove.sh"
    script.write_text("remove_units a.timer b.service")
    assert machine.run(script).returncode == 0
    calls = machine.calls
    reload = calls.index("systemctl daemon-reload")
    for unit in ("a.timer", "b.service"):
        assert calls.index(f"systemctl stop {unit}") < reload < calls.index(f"systemctl reset-failed {unit}")


@pytest.mark.parametrize("path", STEPS, ids=lambda path: f"{path.parts[-3]}/{path.name}")
def test_step_removes_units_of_ours_by_the_library(path: Path) -> None:
    assert "rm -f /etc/systemd/system/auto-devops" not in path.read_text()
