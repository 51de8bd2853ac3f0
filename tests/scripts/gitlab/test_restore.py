"""The commands that make and bring back a backup, and a restore that fails or is killed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from components.gitlab_server.gitlab_server import commands
from tests.scripts.machine import Machine


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_commands_are_sound(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(commands("/srv/gitlab")[name])
    done = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BACKUP = "1_2026_11_24_19.2.0"


class Restore:
    """A machine with a backup, and GitLab in which the command that ends in `failing` fails."""

    def __init__(self, machine: Machine, failing: str = "nothing at all") -> None:
        self.machine = machine
        self.data = Path(machine.variables["DATA"])
        self.config = self.data / "config"
        self.backup = machine.root / "backup"
        etc = machine.root / "etc/gitlab"
        for directory, word in ((self.config, "now"), (etc, "then")):
            directory.mkdir(parents=True, exist_ok=True)
            for file in ("gitlab-secrets.json", "ssh_host_rsa_key", "ssh_host_rsa_key.pub"):
                (directory / file).write_text(word)
                (directory / file).chmod(0o644 if file.endswith("pub") else 0o600)
        self.backup.mkdir()
        # With absolute names, as GitLab makes it.
        archive = ["tar", "-cPf", str(self.backup / "gitlab_config_1.tar"), str(etc)]
        subprocess.run(archive, check=True, capture_output=True)
        self.archive = self.backup / f"{BACKUP}_gitlab_backup.tar"
        subprocess.run(["tar", "-cf", str(self.archive), "-C", str(etc), "gitlab-secrets.json"], check=True)
        self.command = machine.root / "restore"
        self.command.write_text(commands(str(self.data))["restore"])
        machine.fake("id", "echo 0")
        self.fails_at(failing)

    def fails_at(self, failing: str) -> None:
        self.machine.fake("docker", f"""case "$*" in *VERSION) echo 19.2.0 ;; *"{failing}") exit 1 ;; esac""")

    def run(self) -> subprocess.CompletedProcess[str]:
        return self.machine.program(self.command, str(self.backup))

    def has(self) -> set[str]:
        """The words of the files in GitLab's configuration; with what is kept of a restore, that too."""
        kept = self.data / "auto-devops/restore"
        files = [file for file in self.config.iterdir() if file.is_file()]
        return {file.read_text() for file in files} | ({"kept"} if kept.exists() else set())

    def after(self, call: str) -> list[str]:
        """What docker was told after it."""
        calls = self.machine.calls
        return calls[max(i for i, made in enumerate(calls) if made.endswith(call)) + 1 :]


def test_a_restore_brings_secrets_and_host_keys(machine: Machine) -> None:
    restore = Restore(machine)
    done = restore.run()
    assert done.returncode == 0, done.stderr
    assert restore.has() == {"then"}
    key = restore.config / "ssh_host_rsa_key"
    assert (key.stat().st_mode & 0o777, key.with_suffix(".pub").stat().st_mode & 0o777) == (0o600, 0o644)
    assert machine.calls[-1] == "docker restart gitlab"


@pytest.mark.parametrize("failing", ["reconfigure", "stop sidekiq", "force=yes"])
def test_a_failed_restore_leaves_gitlab_running_with_its_own_secrets(machine: Machine, failing: str) -> None:
    restore = Restore(machine, failing)
    done = restore.run()
    assert done.returncode == 1
    assert restore.has() == {"now"}
    told = restore.after("reconfigure")
    assert told[1:] == ["docker exec gitlab gitlab-ctl start puma", "docker exec gitlab gitlab-ctl start sidekiq"]
    assert told[0] == f"docker exec gitlab rm -f /var/opt/gitlab/backups/{BACKUP}_gitlab_backup.tar"
    assert ("in part" in done.stderr) is (failing == "force=yes")
    assert f"then: {restore.command} {restore.backup}\n" in done.stderr


def test_a_restore_after_a_killed_one_still_knows_the_former_secrets(machine: Machine) -> None:
    restore = Restore(machine)
    machine.fake("docker", 'case "$*" in *VERSION) echo 19.2.0 ;; *reconfigure) kill -9 "$PPID" ;; esac')
    assert restore.run().returncode == -9
    assert restore.has() == {"then", "kept"}
    restore.fails_at("force=yes")
    assert restore.run().returncode == 1
    assert restore.has() == {"now"}


def test_a_restore_that_cannot_end_keeps_what_belongs_to_the_restored_data(machine: Machine) -> None:
    restore = Restore(machine, "restart gitlab")
    done = restore.run()
    assert done.returncode == 1 and "to end it: docker restart gitlab" in done.stderr
    assert restore.has() == {"then"}


@pytest.mark.parametrize("broken", ["data", "configuration", "secrets"])
def test_a_backup_that_cannot_be_read_changes_nothing(machine: Machine, broken: str) -> None:
    restore = Restore(machine)
    configuration = restore.backup / "gitlab_config_1.tar"
    if broken == "secrets":
        restore.archive.with_name("x").write_text("")
        tar = ["tar", "-cf", str(configuration), "-C", str(restore.backup), "x"]
        subprocess.run(tar, check=True)
    else:
        file = restore.archive if broken == "data" else configuration
        file.write_bytes(file.read_bytes()[: 700 if broken == "data" else 1200])
    done = restore.run()
    assert done.returncode == 1
    assert ("no gitlab-secrets.json" if broken == "secrets" else "cannot be read to its end") in done.stderr
    assert [call for call in machine.calls if call.startswith("docker")] == [
        "docker exec gitlab cat /opt/gitlab/embedded/service/gitlab-rails/VERSION"
    ]
    assert restore.has() == {"now"}
