"""GitLabServer: its files, its scripts, and how the program registers it."""

from __future__ import annotations

import datetime
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from components.gitlab_server.gitlab_server import commands, configuration, token_period, write_ca_file
from settings.gitlab import GitLabSettings
from tests.unit.program import Run, good_settings, run_with, unpacked, without
from tests.unit.recording import Recorder, Secret, contains_secret, plain

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


def test_the_log_driver_is_for_new_containers_only(good_stack: Recorder) -> None:
    """Those that are there would be replaced for it."""
    container = good_stack.one(f"{SERVER}-gitlab")
    assert (container.inputs["logDriver"], container.ignore_changes) == ("json-file", ["logDriver"])


@pytest.fixture(scope="module")
def elsewhere(keys: Path) -> Recorder:
    """GitLab from a mirror, with git by SSH on a port that is not the machine's own."""
    settings = without(good_settings(keys), "k8s")
    settings["mirrors"] = {"images": {"docker.io": "mirror.corp:5000/hub"}}
    settings["gitlab"]["sshPort"] = 2224
    return run_with(settings)


def test_the_image_comes_from_the_mirror(elsewhere: Recorder) -> None:
    assert elsewhere.one(f"{SERVER}-image").inputs["name"] == "mirror.corp:5000/hub/gitlab/gitlab-ce:19.4.0-ce.0"
    assert "WANTED=19.4.0" in elsewhere.one(f"{SERVER}-version").inputs["create"]


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


def test_sshd_stays_where_gitlab_takes_another_port(elsewhere: Recorder) -> None:
    assert not [r.name for r in elsewhere.everything if "sshd" in r.name]
    assert port(elsewhere, "gitlab-ready") == 22
    assert "gitlab_shell_ssh_port'] = 2224" in str(elsewhere.one(f"{SERVER}-gitlab").inputs["envs"])


def test_sshd_stays_where_it_has_moved_already(run_program: Run, good: dict[str, Any]) -> None:
    """Also with known_hosts that has the machine's keys under its first port only."""
    good["hosts"]["gitlab"]["port"] = 2222
    recorder = run_program(without(good, "k8s", "dns") | {"dns": {"provider": "none"}})
    assert not [r.name for r in recorder.everything if "sshd" in r.name]
    assert port(recorder, "gitlab-ready") == 2222


def test_sshd_keeps_both_ports_on_its_way_back(run_program: Run, good: dict[str, Any]) -> None:
    good["gitlab"] |= {"sshPort": 2224, "machineSshPort": 2222}
    recorder = run_program(without(good, "k8s", "dns") | {"dns": {"provider": "none"}})
    assert [r.name for r in recorder.everything if "sshd" in r.name] == ["gitlab-sshd"]
    assert port(recorder, "gitlab-ready") == 2222


def test_gitlab_is_told_of_a_certificate_after_its_engine(good_stack: Recorder) -> None:
    """Both get new ones in the same run; the engine's restart would end what is just told through it."""
    assert f"{SERVER}-engine" in good_stack.one(f"{SERVER}-certificates").dependencies
    assert f"{SERVER}-docker-engine" in good_stack.one(f"{SERVER}-engine").dependencies
