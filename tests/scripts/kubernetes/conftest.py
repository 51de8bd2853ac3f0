"""The machine of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.kubernetes.node import Node


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A machine without anything of Kubernetes'."""
    return Node(tmp_path / "node")
