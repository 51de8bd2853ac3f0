"""What projects register; the tests of this directory only read it."""

from __future__ import annotations

import pytest

from tests.unit.projects.delivery import registered
from tests.unit.recording import Recorder


@pytest.fixture(scope="session")
def custom() -> Recorder:
    """One project with a pipeline of its own."""
    return registered()


@pytest.fixture(scope="session")
def auto() -> Recorder:
    """One project with Auto DevOps."""
    return registered({"hello": "auto"})


@pytest.fixture(scope="session")
def by_agent() -> Recorder:
    """One project whose pipeline reaches the cluster through GitLab's agent."""
    return registered(agent=True)
