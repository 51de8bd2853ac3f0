"""The machine of these tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scripts.gitlab.server import SCRIPTS
from tests.scripts.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with GitLab's directories."""
    made = Machine(tmp_path)
    data = tmp_path / "srv"
    for directory in ("data/gitlab-rails", "auto-devops", "config/trusted-certs", "config/ssl"):
        (data / directory).mkdir(parents=True)
    made.variables = {
        "DATA": str(data),
        "NAME": "gitlab.devops.example.com",
        "ADDRESS": "192.168.80.113",
        "PERIOD": "7",
        "DAYS": "180",
        "KEEP_DATA": "false",
    }
    made.files({path.name: path.read_text() for path in (SCRIPTS / "gitlab.sh", *SCRIPTS.glob("*.rb"))})
    return made
