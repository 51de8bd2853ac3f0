"""Where GitLab's scripts are, how those of its directory run, and a token as GitLab makes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.scripts.machine import ROOT
from tests.scripts.rooted import Rooted

SCRIPTS = ROOT / "components/gitlab_server/scripts"
TOKEN = "glpat-0123456789abcdef0123456789abcdef01234567"


def run(machine: Rooted, data: Path, steps: Sequence[str], **variables: str) -> None:
    """Runs the scripts of GitLab's directory `data`, each of which has to succeed."""
    machine.fake("docker", "true")
    machine.files(
        {name: name for name in ("certificate.pem", "key.pem", "ca.pem")}
        | {"gitlab.sh": machine.moved(SCRIPTS / "gitlab.sh")}
    )
    given = {"NAME": "gitlab.devops.example.com", "ADDRESS": "192.0.2.1", "KEEP_DATA": "false"} | variables
    for step in steps:
        done = machine.step(SCRIPTS / f"{step}.sh", DATA=str(data), BEGUN="yes", **given)
        assert done.returncode == 0, done.stderr


INSTALL, REMOVE = ("data", "certificates"), ("certificates-remove", "data-remove")
"""For `run`."""
