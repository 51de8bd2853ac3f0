"""GitLabServer: its files, its scripts, and how the program registers it."""

from __future__ import annotations

import datetime
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from components.gitlab_server.gitlab_server import SCRIPTS, commands, configuration, token_period, write_ca_file
from settings.gitlab import GitLabSettings
from tests.unit.conftest import Run, unpacked, without
from tests.unit.recording import Recorder, Secret, contains_secret, plain
from tests.unit.scripts import Machine

SERVER = "gitlab-server"
TOKEN = "glpat-0123456789abcdef0123456789abcdef01234567"


def configured(**changes: Any) -> str:
    address = changes.pop("address", "192.168.80.113")
    section = {"image": "docker.io/gitlab/gitlab-ce:19.2.0-ce.0", "memory": "constrained"} | changes
    return configuration("gitlab.devops.example.com", address, GitLabSettings.model_validate(section))


def test_configuration(snapshot: SnapshotAssertion) -> None:
    assert configured() == snapshot


def test_configuration_of_another_machine(snapshot: SnapshotAssertion) -> None:
    text = configured(
        memory="standard",
        image="docker.io/gitlab/gitlab-ce:19.1.3-ce.0",
        sshPort=2224,
        lfs=False,
        kas=False,
        address="fd00::13",
    )
    assert text == snapshot


def test_a_large_machine_is_left_to_gitlab() -> None:
    text = configured(memory="large")
    assert "puma" not in text and "sidekiq" not in text


def test_commands(snapshot: SnapshotAssertion) -> None:
    assert commands("/srv/gitlab") == snapshot


@pytest.mark.parametrize("name", ["backup", "restore"])
def test_commands_are_sound(name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_text(commands("/srv/gitlab")[name])
    done = subprocess.run(["bash", "-n", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("days", [2, 7, 30, 180, 365])
def test_token_is_good_until_it_is_renewed(days: int) -> None:
    """Made on any day, it lasts through the next period, in which the first `up` renews it."""
    start = datetime.date(2026, 1, 1)
    for offset in range(2 * days):
        made = start + datetime.timedelta(days=offset)
        expires = made + datetime.timedelta(days=days)
        assert token_period(expires, days) >= token_period(made, days) + 2


@pytest.mark.parametrize("days", [7, 180])
def test_token_is_the_same_for_half_its_life(days: int) -> None:
    start = datetime.date(2026, 1, 1)
    periods = [token_period(start + datetime.timedelta(days=day), days) for day in range(days)]
    assert len(set(periods)) <= 4
    assert all(later - earlier in (0, 1) for earlier, later in pairwise(periods))


def test_ca_file_is_private_and_follows_the_ca(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "dev.crt"
    assert write_ca_file(path, "one\n") == str(path)
    assert (path.read_text(), path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (
        "one\n",
        0o600,
        0o700,
    )
    before = path.stat().st_ino
    write_ca_file(path, "one\n")
    assert path.stat().st_ino == before
    write_ca_file(path, "two\n")
    assert path.read_text() == "two\n"


# The program


def test_the_container_comes_when_everything_it_needs_is_there(good_stack: Recorder) -> None:
    container = good_stack.one(f"{SERVER}-gitlab")
    for needed in ("data", "certificates", "version"):
        assert f"{SERVER}-{needed}" in container.dependencies
    assert "gitlab-sshd-closed" in container.dependencies, "port 22 would still be the machine's own"
    assert container.inputs["restart"] == "always"
    assert container.inputs["shmSize"] == 256
    assert container.inputs["stopTimeout"] == 120
    assert {(p["internal"], p["external"]) for p in container.inputs["ports"]} == {
        (80, 80),
        (443, 443),
        (4567, 4567),
        (22, 22),
    }
    assert {v["hostPath"]: v["containerPath"] for v in container.inputs["volumes"]} == {
        "/srv/gitlab/config": "/etc/gitlab",
        "/srv/gitlab/logs": "/var/log/gitlab",
        "/srv/gitlab/data": "/var/opt/gitlab",
    }


def test_certificate_is_for_the_name_and_the_address(good_stack: Recorder) -> None:
    request = good_stack.one(f"{SERVER}-tls-request").inputs
    assert request["dnsNames"] == ["gitlab.devops.example.com"]
    assert request["ipAddresses"] == ["192.168.80.113"]
    files = unpacked(good_stack.one(f"{SERVER}-certificates"))
    assert files["files/ca.pem"] == "CERT ca-root\n"
    assert contains_secret(good_stack.one(f"{SERVER}-certificates").inputs["stdin"])


def test_readiness_is_checked_again_for_another_container_and_certificate(good_stack: Recorder) -> None:
    triggers = unpacked(good_stack.one(f"{SERVER}-ready"))["triggers"]
    assert f"{SERVER}-gitlab-id" in triggers and f"CERT {SERVER}-tls-certificate" in triggers


def test_token_outlives_the_container(good_stack: Recorder) -> None:
    token = good_stack.one(f"{SERVER}-token")
    assert f"{SERVER}-ready" in token.dependencies
    assert "triggers" not in unpacked(token), "another container would renew the token"
    assert "KEEP_DATA=false" in token.inputs["delete"]


def test_token_is_secret_everywhere(good_stack: Recorder) -> None:
    printed = f"printed-by {SERVER}-token"
    provider = good_stack.one(f"{SERVER}-api").inputs
    assert provider["token"] == Secret(printed)
    outputs = good_stack.one(SERVER).outputs
    assert outputs and outputs["token"] == Secret(printed)
    for resource in good_stack.everything:
        for key, value in resource.inputs.items():
            if printed in str(plain(value)):
                assert contains_secret(value), f"{resource.name}.{key}"


def test_api_is_reached_by_address_and_the_ca_of_a_file(good_stack: Recorder) -> None:
    provider = good_stack.one(f"{SERVER}-api").inputs
    assert provider["baseUrl"] == "https://192.168.80.113/api/v4/"
    assert Path(provider["cacertFile"]).read_text() == "CERT ca-root\n"
    assert provider["earlyAuthCheck"] == "false"


def test_old_tokens_go_when_the_state_has_the_new_one(good_stack: Recorder) -> None:
    old = good_stack.one(f"{SERVER}-old-tokens")
    assert f"{SERVER}-api" in old.dependencies
    period = re.findall(r"(?:DAYS|PERIOD)=\S+", good_stack.one(f"{SERVER}-token").inputs["create"])
    assert len(period) == 2 and all(word in old.inputs["create"] for word in period)


def test_outputs_do_not_depend_on_what_was_printed(good_stack: Recorder) -> None:
    outputs = good_stack.one(SERVER).outputs
    assert outputs and outputs["url"] == "https://gitlab.devops.example.com"
    assert outputs["registry"] == "gitlab.devops.example.com:4567"
    assert outputs["ssh_port"] == 22


def test_the_image_comes_from_the_mirror(run_program: Run, good: dict[str, Any]) -> None:
    good["mirrors"] = {"images": {"docker.io": "mirror.corp:5000/hub"}}
    recorder = run_program(without(good, "k8s"))
    assert recorder.one(f"{SERVER}-image").inputs["name"] == "mirror.corp:5000/hub/gitlab/gitlab-ce:19.4.0-ce.0"
    assert "WANTED=19.4.0" in recorder.one(f"{SERVER}-version").inputs["create"]


# The machine's sshd


def port(recorder: Recorder, name: str) -> float:
    found: float = plain(recorder.one(name, "command:remote:Command").inputs["connection"])["port"]
    return found


def test_sshd_moves_by_the_old_port_once_and_all_else_goes_by_the_new(good_stack: Recorder) -> None:
    ours = [c for c in good_stack.of_type("command:remote:Command") if c.name.startswith("gitlab-")]
    assert {c.name for c in ours if port(good_stack, c.name) == 22} == {"gitlab-sshd"}
    assert {port(good_stack, c.name) for c in ours if c.name != "gitlab-sshd"} == {2222}
    assert "gitlab-sshd" in good_stack.one("gitlab-ready").dependencies
    assert "gitlab-ready" in good_stack.one("gitlab-sshd-closed").dependencies


def test_sshd_never_moves_twice(good_stack: Recorder) -> None:
    """Whatever becomes of its inputs: GitLab answers on the old port by then."""
    opened = good_stack.one("gitlab-sshd")
    assert set(opened.ignore_changes) == set(opened.inputs)


@pytest.mark.parametrize(("machine", "moves", "where"), [("gitlab", "yes", 2222), ("registry", "no", 22)])
def test_sshd_is_given_back_by_the_first_and_last_of_the_scripts(
    good_stack: Recorder, machine: str, moves: str, where: int
) -> None:
    """Whether it is to move is the first one's to know; a sshd that had moved before comes back there."""
    ready = good_stack.one(f"{machine}-ready")
    assert "files/sshd.sh" in unpacked(ready)
    assert f"SSHD_MOVES={moves} SSH_PORT={where}" in str(ready.inputs["create"])


def test_sshd_stays_where_gitlab_takes_another_port(run_program: Run, good: dict[str, Any]) -> None:
    good["gitlab"]["sshPort"] = 2224
    recorder = run_program(without(good, "k8s"))
    assert not [r.name for r in recorder.everything if "sshd" in r.name]
    assert port(recorder, "gitlab-ready") == 22
    assert "gitlab_shell_ssh_port'] = 2224" in str(recorder.one(f"{SERVER}-gitlab").inputs["envs"])


def test_sshd_stays_where_it_has_moved_already(run_program: Run, good: dict[str, Any]) -> None:
    """Also with known_hosts that has the machine's keys under its first port only."""
    good["hosts"]["gitlab"]["port"] = 2222
    recorder = run_program(without(good, "k8s"))
    assert not [r.name for r in recorder.everything if "sshd" in r.name]
    assert port(recorder, "gitlab-ready") == 2222


def test_sshd_keeps_both_ports_on_its_way_back(run_program: Run, good: dict[str, Any]) -> None:
    good["gitlab"] |= {"sshPort": 2224, "machineSshPort": 2222}
    recorder = run_program(without(good, "k8s"))
    assert [r.name for r in recorder.everything if "sshd" in r.name] == ["gitlab-sshd"]
    assert port(recorder, "gitlab-ready") == 2222


# The scripts


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


def upgrade(machine: Machine, running: str | None, wanted: str) -> subprocess.CompletedProcess[str]:
    if running:
        Path(machine.variables["DATA"], "data/gitlab-rails/VERSION").write_text(running + "\n")
    return machine.run(SCRIPTS / "version.sh", WANTED=wanted)


@pytest.mark.parametrize(
    ("running", "wanted"),
    [
        (None, "19.2.0"),
        ("19.2.0", "19.2.0"),
        ("19.2.0", "19.2.4"),
        ("19.1.3", "19.2.0"),
        ("19.2.0", "19.5.1"),
        ("18.11.9", "19.2.0"),
        ("18.11.9-ee", "19.0.1"),
        ("17.3.7", "17.5.5"),
        ("16.11.10", "17.3.7"),
        ("9.5.10", "9.5.11"),
    ],
)
def test_upgrades_to_the_next_stop_are_allowed(machine: Machine, running: str | None, wanted: str) -> None:
    done = upgrade(machine, running, wanted)
    assert (done.returncode, done.stdout) == (0, f"{wanted}\n"), done.stderr


@pytest.mark.parametrize(
    ("running", "wanted", "stop"),
    [
        ("19.1.3", "19.3.0", "19.2"),
        ("19.2.0", "19.8.0", "19.5"),
        ("18.8.1", "19.2.0", "18.11"),
        ("18.5.0", "20.0.0", "18.8"),
        ("17.2.0", "17.5.0", "17.3"),
        ("17.3.7", "18.2.0", "17.5"),
        ("15.4.0", "19.2.0", "15.11"),
    ],
)
def test_skipped_stops_are_refused_with_the_next(machine: Machine, running: str, wanted: str, stop: str) -> None:
    done = upgrade(machine, running, wanted)
    assert done.returncode == 1
    assert f"past its required stop {stop}\n" in done.stderr
    assert f"set gitlab.image to the last patch release of {stop}," in done.stderr


@pytest.mark.parametrize(("running", "wanted"), [("19.2.4", "19.2.0"), ("19.10.0", "19.9.3"), ("19.2.0", "18.11.1")])
def test_the_way_back_is_refused(machine: Machine, running: str, wanted: str) -> None:
    done = upgrade(machine, running, wanted)
    assert done.returncode == 1
    assert f"data of GitLab {running}" in done.stderr and f"set gitlab.image to version {running}" in done.stderr


def gitlab_with(machine: Machine, version: str, migrations: str) -> None:
    """GitLab of that version runs; `migrations` is what a shell does when they are asked for."""
    answers = f"*inspect*) echo true ;; *VERSION) echo {version} ;; *BatchedMigration*) {migrations} ;;"
    machine.fake("docker", f'case "$*" in {answers} esac')


def test_no_upgrade_while_background_migrations_are_under_way(machine: Machine) -> None:
    gitlab_with(machine, "19.2.0", "echo a warning; echo 3")
    done = upgrade(machine, "19.2.0", "19.5.1")
    assert done.returncode == 1
    assert "3 background migrations" in done.stderr and "BatchedMigration.queued.count" in done.stderr
    gitlab_with(machine, "19.2.0", "echo 0")
    assert upgrade(machine, "19.2.0", "19.5.1").returncode == 0
    gitlab_with(machine, "19.2.0", "exit 1")
    unknown = upgrade(machine, "19.2.0", "19.5.1")
    assert unknown.returncode == 0 and "does not say" in unknown.stderr


@pytest.mark.parametrize("version", ["19.2.0", "19.5.1"])
def test_migrations_are_asked_for_before_an_upgrade_only(machine: Machine, version: str) -> None:
    """Not of the version that is wanted, also where its first configuration was interrupted."""
    gitlab_with(machine, "19.5.1", "echo 3")
    assert upgrade(machine, version, "19.5.1").returncode == 0


def fake_gitlab(machine: Machine, accepts: str = ".*") -> None:
    """GitLab that knows the tokens of `tokens`, and takes those that match."""
    root = machine.root
    machine.fake(
        "docker",
        f"""case "$*" in
        *inspect*) echo true ;;
        *runner*) ruby=$(cat); printf '%s\\n' "$ruby" >>{root}/ruby
          grep -oE 'set_token\\(.*' <<<"$ruby" | grep -oE 'glpat-[0-9a-f]+' >>{root}/tokens || true ;;
        esac""",
    )
    machine.fake(
        "curl",
        f"""token=$(sed -n 's/.*TOKEN: \\(.*\\)"/\\1/p')
        if [ -n "$token" ] && grep -qx "$token" {root}/tokens 2>/dev/null && [[ $token =~ {accepts} ]]; then printf 200
        else printf 401; fi""",
    )


def test_token_is_made_proven_and_kept(machine: Machine) -> None:
    fake_gitlab(machine)
    done = machine.run(SCRIPTS / "token.sh")
    token = done.stdout.strip()
    assert done.returncode == 0, done.stderr
    assert len(token) == len(TOKEN)
    ruby = (machine.root / "ruby").read_text()
    expires = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=180)
    assert f"set_token('{token}')" in ruby and f"expires_at: '{expires}'" in ruby
    kept = Path(machine.variables["DATA"], "auto-devops/token")
    assert kept.read_text() == f"7 180 {token}\n"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not [call for call in machine.calls if token in call], "on a command line, where ps shows it"
    assert token not in done.stderr


def test_token_is_the_same_in_the_same_period(machine: Machine) -> None:
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout
    assert machine.run(SCRIPTS / "token.sh").stdout == first
    assert (machine.root / "ruby").read_text().count("set_token") == 1


@pytest.mark.parametrize("change", [{"PERIOD": "8"}, {"DAYS": "90"}])
def test_token_is_renewed_in_another_period(machine: Machine, change: dict[str, str]) -> None:
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout
    second = machine.run(SCRIPTS / "token.sh", **change)
    assert second.returncode == 0 and second.stdout != first
    assert "revoke" not in (machine.root / "ruby").read_text(), "the old one is still in the stack's state"


def test_a_renewed_token_is_of_the_kept_ones_owner(machine: Machine) -> None:
    """Whatever the administrator is called."""
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout.strip()
    assert "find_by_token('none')" in (machine.root / "ruby").read_text()
    machine.run(SCRIPTS / "token.sh", PERIOD="8")
    ruby = (machine.root / "ruby").read_text()
    assert f"find_by_token('{first}')" in ruby and "'root'" not in ruby
    machine.fake("docker", "cat; exit 1")
    failed = machine.run(SCRIPTS / "token.sh", PERIOD="9")
    assert failed.returncode == 1 and "glpat-" not in failed.stderr


def test_token_that_gitlab_no_longer_takes_is_replaced(machine: Machine) -> None:
    fake_gitlab(machine)
    first = machine.run(SCRIPTS / "token.sh").stdout
    (machine.root / "tokens").write_text("")
    second = machine.run(SCRIPTS / "token.sh")
    assert second.returncode == 0 and second.stdout != first
    assert "GitLab refuses the access token" in second.stderr


def test_token_that_is_refused_is_not_kept(machine: Machine) -> None:
    fake_gitlab(machine, accepts="nothing")
    done = machine.run(SCRIPTS / "token.sh")
    assert (done.returncode, done.stdout) == (1, "")
    assert "a new access token that GitLab's API refuses" in done.stderr
    assert not Path(machine.variables["DATA"], "auto-devops/token").exists()


def test_failed_ruby_does_not_tell_the_token(machine: Machine) -> None:
    fake_gitlab(machine)
    machine.fake("docker", "cat; exit 1")
    done = machine.run(SCRIPTS / "token.sh")
    assert done.returncode == 1
    assert "set_token('[hidden]')" in done.stderr and "glpat-" not in done.stderr


def test_older_tokens_are_revoked_by_the_kept_one(machine: Machine) -> None:
    fake_gitlab(machine)
    Path(machine.variables["DATA"], "auto-devops/token").write_text(f"7 180 {TOKEN}\n")
    done = machine.run(SCRIPTS / "revoke.sh")
    assert done.returncode == 0, done.stderr
    assert f"find_by_token('{TOKEN}')" in (machine.root / "ruby").read_text()


@pytest.mark.parametrize(("keep", "revoked"), [("true", True), ("false", False)])
def test_the_token_ends_with_the_stack(machine: Machine, keep: str, revoked: bool) -> None:
    fake_gitlab(machine)
    kept = Path(machine.variables["DATA"], "auto-devops/token")
    kept.write_text(f"7 180 {TOKEN}\n")
    assert machine.run(SCRIPTS / "token-remove.sh", KEEP_DATA=keep).returncode == 0
    assert not kept.exists()
    assert (machine.root / "ruby").exists() is revoked


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
    assert not (machine.root / "state").exists()


# Restoring a backup

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


class Gitlab:
    """A container of GitLab that answers as it is told."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        machine.variables |= {"REGISTRY_PORT": "4567"}
        self.log = "Configuring GitLab...\ngitlab Reconfigured!\n"
        self.state = {"{{.Id}}": "abc", "{{.State.Running}}": "true", "{{.State.Restarting}}": "false"}
        self.state |= {"{{.State.Status}}": "running", "{{.RestartCount}}": "0"}
        self.state["{{.State.StartedAt}}"] = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.123456789Z}"
        self.services = "run: puma: (pid 1)"
        self.answers = {"/-/readiness?all=1": "200", "/api/v4/version": "401", ":4567/v2/": "401"}
        self.served = {"443": "new", "4567": "new"}

    def ready(self) -> subprocess.CompletedProcess[str]:
        """Asks once for everything that it would otherwise wait for."""
        root = self.machine.root
        (root / "log").write_text(self.log)
        inspected = "".join(f"*'{key}'*) echo '{value}' ;;\n" for key, value in self.state.items())
        status = 1 if "down:" in self.services else 0
        self.machine.fake(
            "docker",
            f"""case "$*" in
            {inspected}
            logs*) cat {root}/log ;;
            *"gitlab-ctl status") echo '{self.services}'; exit {status} ;;
            *VERSION) echo 19.2.0 ;;
            esac""",
        )
        cases = "".join(f"*'{end}') printf {answer} ;;\n" for end, answer in self.answers.items())
        self.machine.fake("curl", f'case "$*" in\n{cases}\n*) printf 000; echo "curl: no way" >&2; exit 7 ;; esac')
        ports = "".join(f"*s_client*:{port}*) echo {name} ;;\n" for port, name in self.served.items())
        self.machine.fake("openssl", f'case "$*" in\n{ports}\n*x509*-in*) echo new ;; *) cat ;; esac')
        text = re.sub(r"await (\d+|\$PATIENCE)", "await 0", (SCRIPTS / "ready.sh").read_text())
        impatient = root / "ready.sh"
        impatient.write_text(text.replace("installed curl", "true"))
        return self.machine.run(impatient)


@pytest.fixture
def gitlab(machine: Machine) -> Gitlab:
    """GitLab, configured and well."""
    return Gitlab(machine)


def test_ready_is_gitlab_that_answers_by_name_address_and_ca(gitlab: Gitlab) -> None:
    done = gitlab.ready()
    assert (done.returncode, done.stdout) == (0, "19.2.0\n"), done.stderr
    asked = [call for call in gitlab.machine.calls if call.startswith("curl")]
    assert len(asked) == 3
    for call in asked:
        assert "--cacert " in call and ":192.168.80.113" in call and "--insecure" not in call


def test_ready_waits_for_the_configurations_end(gitlab: Gitlab) -> None:
    gitlab.log = "Configuring GitLab...\nFATAL: rake aborted, database is locked\n  more\n"
    done = gitlab.ready()
    assert done.returncode == 1
    assert "waiting for" in done.stderr or "does not come up (running, restarted 0 times)" in done.stderr
    assert "FATAL: rake aborted, database is locked\n" in done.stderr and "  more" not in done.stderr
    assert "docker logs --tail 200 gitlab" in done.stderr


def test_ready_does_not_wait_for_a_container_that_ended(gitlab: Gitlab) -> None:
    gitlab.state |= {"{{.State.Running}}": "false", "{{.State.Status}}": "exited"}
    done = gitlab.ready()
    assert done.returncode == 1 and "does not come up (exited" in done.stderr


def test_ready_knows_a_container_that_was_configured_long_ago(gitlab: Gitlab) -> None:
    """Its log is cut by then."""
    gitlab.log = "GET /\n"
    gitlab.state["{{.State.StartedAt}}"] = "2026-01-01T00:00:00.5Z"
    assert gitlab.ready().returncode == 0


def test_ready_names_the_service_that_does_not_run(gitlab: Gitlab) -> None:
    gitlab.services = "down: sidekiq: 3s"
    done = gitlab.ready()
    assert done.returncode == 1 and "down: sidekiq" in done.stderr


def test_ready_says_who_may_see_the_health(gitlab: Gitlab) -> None:
    gitlab.answers["/-/readiness?all=1"] = "404"
    done = gitlab.ready()
    assert done.returncode == 1 and "gitlab.monitoringNetworks" in done.stderr


def test_ready_says_why_there_is_no_answer(gitlab: Gitlab) -> None:
    gitlab.answers = {}
    done = gitlab.ready()
    assert done.returncode == 1 and "curl: no way" in done.stderr


@pytest.mark.parametrize("end", ["/api/v4/version", ":4567/v2/"])
def test_ready_needs_the_api_and_the_registry(gitlab: Gitlab, end: str) -> None:
    gitlab.answers[end] = "502"
    done = gitlab.ready()
    assert done.returncode == 1 and f"502 from https://gitlab.devops.example.com{end}" in done.stderr


@pytest.mark.parametrize("port", ["443", "4567"])
def test_ready_needs_the_certificate_that_was_placed(gitlab: Gitlab, port: str) -> None:
    """One that nginx has not read yet is of the same CA, and ends soon."""
    gitlab.served[port] = "old"
    done = gitlab.ready()
    assert done.returncode == 1 and f"another certificate at gitlab.devops.example.com:{port}" in done.stderr
    assert "gitlab-ctl hup nginx" in done.stderr


def test_gitlab_is_told_of_a_certificate_after_its_engine(good_stack: Recorder) -> None:
    """Both get new ones in the same run; the engine's restart would end what is just told through it."""
    assert f"{SERVER}-engine" in good_stack.one(f"{SERVER}-certificates").dependencies
    assert f"{SERVER}-docker-engine" in good_stack.one(f"{SERVER}-engine").dependencies
