"""What lies in GitLab's directories: certificates, and the data that outlive the stack or not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.scripts.gitlab.server import SCRIPTS
from tests.scripts.machine import Machine, remembered


def certificates(machine: Machine, content: str) -> subprocess.CompletedProcess[str]:
    machine.files({"certificate.pem": content, "key.pem": content, "ca.pem": "ca\n"})
    return machine.run(SCRIPTS / "certificates.sh")


def test_certificates_are_there_before_the_first_start(machine: Machine) -> None:
    machine.fake("docker", "exit 1")
    assert certificates(machine, "one\n").returncode == 0
    config = Path(machine.variables["DATA"], "config")
    key = config / "ssl/gitlab.devops.example.com.key"
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("one\n", 0o600)
    assert (config / "ssl/gitlab.devops.example.com.crt").read_text() == "one\n"
    assert (config / "trusted-certs/auto-devops.crt").read_text() == "ca\n"
    assert not [call for call in machine.calls if "exec" in call]


def test_a_replaced_certificate_takes_effect_even_after_an_interruption(machine: Machine) -> None:
    machine.fake("docker", "exit 1")
    certificates(machine, "one\n")
    # GitLab runs, and does not take it at first: as if the run had been killed there.
    machine.fake("docker", 'case "$*" in *inspect*) echo true ;; *hup*) exit 1 ;; esac')
    assert certificates(machine, "two\n").returncode == 1
    machine.fake("docker", 'case "$*" in *inspect*) echo true ;; esac')
    before = len(machine.calls)
    assert certificates(machine, "two\n").returncode == 0
    assert "docker exec gitlab gitlab-ctl hup nginx" in machine.calls[before:]
    assert not [call for call in machine.calls if "reconfigure" in call], "what it trusts is the same"
    before = len(machine.calls)
    certificates(machine, "two\n")
    assert machine.calls[before:] == []


def test_data_are_never_left_behind_in_another_directory(machine: Machine) -> None:
    data = Path(machine.variables["DATA"])
    assert machine.run(SCRIPTS / "data.sh").returncode == 0
    done = machine.run(SCRIPTS / "data.sh", DATA=str(data.with_name("elsewhere")))
    assert done.returncode == 1
    assert f"GitLab's data in {data}, and none in {data.with_name('elsewhere')}" in done.stderr


@pytest.mark.parametrize("keep", ["true", "false"])
def test_data_go_with_the_stack_unless_they_are_kept(machine: Machine, keep: str) -> None:
    data = Path(machine.variables["DATA"])
    machine.run(SCRIPTS / "data.sh")
    (data / "mine").write_text("not GitLab's")
    (data / "data/repositories").mkdir()
    assert machine.run(SCRIPTS / "data-remove.sh", KEEP_DATA=keep).returncode == 0
    assert (data / "data/repositories").exists() is (keep == "true")
    assert (data / "mine").exists()
    assert not (data / "auto-devops").exists()
    assert remembered(machine.root / "state") == []
