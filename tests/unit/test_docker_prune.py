"""The timer that prunes the shared Docker engine."""

from __future__ import annotations

from syrupy.assertion import SnapshotAssertion

from components.docker_engine.docker_engine import prune_timer
from settings.registry import PruneSettings

KEEP = "registry.devops.example.com/auto-devops/*"


def test_units(snapshot: SnapshotAssertion) -> None:
    settings = PruneSettings.model_validate({"schedule": "*-*-* 04:30:00", "keepDays": 7, "keepStorage": "10GB"})
    assert prune_timer(settings, [KEEP, "docker.io/library/golang:1"]).units == snapshot
