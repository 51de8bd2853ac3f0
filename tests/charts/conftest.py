"""What the tests of charts share: Helm as the lab builds it."""

from __future__ import annotations

import pytest

from lab import kubernetes
from lab.steps import StepLog
from tests.charts.helm import Helm
from tests.unit.conftest import keys

__all__ = ["keys"]


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, built if need be: two minutes then."""
    directory = tmp_path_factory.mktemp("helm")
    return Helm(kubernetes.helm(StepLog(directory / "build.log")), kubernetes.VERSION, directory)
