"""What an engine that was ended leaves in the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from lab import engine, paths
from lab.steps import StepLog


def test_processes_that_are_held_still_are_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pod's, deep below a machine's: the power went while runc held it, and it never ended."""
    (tmp_path / "engine/containers/abc").mkdir(parents=True)
    pod = tmp_path / "cgroup/freezer/docker/abc/kubepods.slice/pod.scope"
    pod.mkdir(parents=True)
    (pod / "freezer.state").write_text("FROZEN")
    monkeypatch.setattr(paths, "DOCKER_DATA", tmp_path / "engine")
    monkeypatch.setattr(engine, "_CGROUPS", tmp_path / "cgroup")

    def once(log: StepLog, what: str, ready: Any, seconds: float) -> None:
        ready()

    monkeypatch.setattr(engine, "wait_until", once)
    engine.remove_cgroups(cast(StepLog, None))
    assert (pod / "freezer.state").read_text() == "THAWED"
