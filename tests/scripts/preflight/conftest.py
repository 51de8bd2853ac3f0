"""An sshd that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.scripts.preflight import sshd as real
from tests.scripts.preflight.sshd import Sshd


@pytest.fixture(scope="package")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A machine that is this computer."""
    running = real.start(tmp_path_factory.mktemp("sshd"))
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def _without_an_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
