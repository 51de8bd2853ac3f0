"""The timer that prunes the shared Docker engine."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from components.docker_engine.docker_engine import prune_timer
from settings.registry import PruneSettings
from tests.unit.recording import Recorder
from tests.unit.test_stack import COMMAND, files

KEEP = "registry.devops.example.com/auto-devops/*"


def test_units(snapshot: SnapshotAssertion) -> None:
    settings = PruneSettings.model_validate({"schedule": "*-*-* 04:30:00", "keepDays": 7, "keepStorage": "10GB"})
    assert prune_timer(settings, [KEEP, "docker.io/library/golang:1"]).units == snapshot


def test_only_the_registrys_engine_prunes(good_stack: Recorder) -> None:
    assert [c.name for c in good_stack.of_type(COMMAND) if c.name.endswith("-prune")] == ["registry-host-docker-prune"]
    unit = files(good_stack, "registry-host-docker-prune")["files/auto-devops-docker-prune.service"]
    assert (
        "/auto-devops-docker-prune 7 10GB registry.devops.example.com/auto-devops/* docker.io/library/golang:" in unit
    )
    assert "docker.io/library/debian:bookworm-slim" in unit, "services' images begin with it"


def test_pruning_can_be_switched_off(other_stack: Recorder) -> None:
    assert not [c for c in other_stack.of_type(COMMAND) if c.name.endswith("-prune")]
