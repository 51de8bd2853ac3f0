"""The CA comes to a machine and goes, and nobody's containers are restarted for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.ca.ca import SCRIPTS
from tests.scripts.machine import Machine


def run(root: Path, step: str, live_restore: str, running: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs trust or distrust on a machine whose engine has these containers; what it did, and what it restarted."""
    machine = Machine(root)
    machine.files({"auto-devops.crt": "PEM"})
    machine.fake("docker", f"case $1 in info) echo {live_restore} ;; ps) printf '%s' '{running}' ;; esac")
    for name in ("systemctl", "update-ca-certificates", "openssl"):
        machine.fake(name, "true")
    machine.fake("dpkg-query", "printf installed")
    script = root / f"{step}.sh"
    text = (SCRIPTS / f"{step}.sh").read_text()
    script.write_text(text.replace("/usr/local/share", f"{root}/share"))
    done = machine.run(script)
    return done, [call.split()[-1] for call in machine.calls if call.startswith("systemctl restart")]


@pytest.mark.parametrize("step", ["trust", "distrust"])
@pytest.mark.parametrize(
    ("live_restore", "running", "restarted"),
    [
        ("true", "theirs", ["containerd", "docker"]),
        ("false", "", ["containerd", "docker"]),
        ("false", "theirs", ["containerd"]),
    ],
)
def test_an_engine_is_restarted_where_its_containers_outlive_it(
    tmp_path: Path, step: str, live_restore: str, running: str, restarted: list[str]
) -> None:
    done, found = run(tmp_path / "machine", step, live_restore, running)
    assert done.returncode == 0, done.stderr
    assert found == restarted
    assert ("until it restarts" in done.stderr) == (step == "distrust" and restarted == ["containerd"])
