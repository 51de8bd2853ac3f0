"""Rules that every script for a machine keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.conftest import ROOT

SCRIPTS = sorted((ROOT / "components").glob("*/scripts/*.sh"))
STEPS = [
    path
    for path in SCRIPTS
    if path.name not in ("run.sh", "lib.sh", "registry-gc.sh", "approve-kubelets.sh", "programs.sh")
]


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
