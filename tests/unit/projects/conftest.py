"""What projects register; the tests of this directory only read it."""

from __future__ import annotations

import pytest

from tests.unit.projects.delivery import login, registered
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
def both() -> Recorder:
    """One of each."""
    return registered({"hello": "custom", "bye": "auto"})


@pytest.fixture(scope="session")
def with_login() -> Recorder:
    """One project, where the registry wants a login."""
    return registered(login=login("ci", "correct horse"))


@pytest.fixture(scope="session")
def by_agent() -> Recorder:
    """One project whose pipeline reaches the cluster through GitLab's agent."""
    return registered(agent=True)
