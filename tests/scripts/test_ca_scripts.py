"""The CA comes to a machine with our engine, and nobody's containers end for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.ca.ca import SCRIPTS
from tests.scripts.machine import Machine


def run(root: Path, live_restore: str, running: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs trust on a machine whose engine we configured and has these containers; what it did and restarted."""
    machine = Machine(root)
    machine.files({"auto-devops.crt": "PEM"})
    machine.fake("docker", f"case $1 in info) echo {live_restore} ;; ps) printf '%s' '{running}' ;; esac")
    for name in ("systemctl", "update-ca-certificates", "openssl"):
        machine.fake(name, "true")
    machine.fake("dpkg-query", "printf installed")
    (root / "etc/systemd/system/docker.service.d").mkdir(parents=True)
    (root / "etc/systemd/system/docker.service.d/auto-devops.conf").touch()
    script = root / "trust.sh"
    text = (SCRIPTS / "trust.sh").read_text()
    script.write_text(text.replace("/usr/local/share", f"{root}/share").replace("/etc/systemd", f"{root}/etc/systemd"))
    done = machine.run(script)
    return done, [call.split()[-1] for call in machine.calls if call.startswith("systemctl restart")]


@pytest.mark.parametrize(
    ("live_restore", "running", "restarted"),
    [
        ("true", "theirs", ["docker"]),
        ("false", "", ["docker"]),
        ("false", "theirs", []),
    ],
)
def test_an_engine_is_restarted_where_its_containers_outlive_it(
    tmp_path: Path, live_restore: str, running: str, restarted: list[str]
) -> None:
    done, found = run(tmp_path / "machine", live_restore, running)
    assert done.returncode == 0, done.stderr
    assert found == restarted
    assert ("from its next restart on" in done.stderr) == (not restarted)
