"""What Pulumi's plugins are stood in for: the resource types that the program registers, and no others."""

from __future__ import annotations

import json

import pytest

from lab import paths

SNAPSHOTS = paths.REPOSITORY / "tests/unit/__snapshots__/test_registrations"


def registered(provider: str) -> set[str]:
    """Types of a provider's that the program registers in any of the snapshots of its registrations."""
    names = {name for file in SNAPSHOTS.glob("*.json") for name in json.loads(file.read_text())["resources"]}
    # Written as `name (type)`.
    types = {name.rpartition(" (")[2].removesuffix(")") for name in names}
    return {found for found in types if found.startswith(f"{provider}:")}


@pytest.mark.parametrize("provider", ["command", "docker", "gitlab", "tls"])
def test_types_are_those_that_the_program_registers(provider: str) -> None:
    schema = json.loads((paths.STANDINS / "pulumi/internal" / provider / "schema.json").read_text())
    assert registered(provider)
    assert set(schema["resources"]) == registered(provider)
