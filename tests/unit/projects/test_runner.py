"""The runner beside GitLab: its configuration, and what another project changes."""

from __future__ import annotations

import json
import tomllib

from syrupy.assertion import SnapshotAssertion

from components.gitlab_runner.gitlab_runner import configuration
from settings.mirrors import Downloads, MirrorSettings
from tests.unit.program import unpacked
from tests.unit.projects.delivery import (
    COMMAND,
    NAMES,
    ci,
    registered,
)
from tests.unit.recording import Recorder, contains_secret, plain


def test_runner_configuration(snapshot: SnapshotAssertion) -> None:
    images = {"runtime": "docker.io/library/debian:bookworm-slim", "helper": "mirror.corp:5000/helper:1"}
    text = configuration(
        NAMES,
        ci(images=images),
        Downloads(MirrorSettings.model_validate({}), None, []),
        {"team-b": "glrt-b", "team-a": "glrt-a"},
        "192.168.80.110",
    )
    assert text == snapshot
    assert [runner["token"] for runner in tomllib.loads(text)["runners"]] == ["glrt-a", "glrt-b"]


def test_runner_without_projects_is_valid() -> None:
    recorder = registered({})
    text = unpacked(recorder.one("runner-configuration"))["files/config.toml"]
    assert "runners" not in tomllib.loads(text)
    assert recorder.one("runner-container", "docker:index/container:Container")


def test_jobs_use_the_shared_engine_by_mutual_tls(custom: Recorder) -> None:
    files = unpacked(custom.one("runner-configuration", COMMAND))
    runner = tomllib.loads(files["files/config.toml"])["runners"][0]
    assert runner["token"] == "TOKEN-project-hello-runner"
    assert "DOCKER_HOST=tcp://docker.devops.example.com:2376" in runner["environment"]
    assert "DOCKER_TLS_VERIFY=1" in runner["environment"]
    assert runner["docker"]["privileged"] is False
    assert "/srv/gitlab-runner/docker:/certs/client:ro" in runner["docker"]["volumes"]
    assert files["files/key.pem"] == "KEY runner-client-key\n"
    assert contains_secret(custom.one("runner-configuration", COMMAND).inputs["stdin"])
    assert custom.one("runner-client-certificate").inputs["caCertPem"] == "CERT ca-clients-root\n"


def test_another_project_changes_the_configuration_and_not_the_container(custom: Recorder, both: Recorder) -> None:
    kind = "docker:index/container:Container"
    assert custom.one("runner-container", kind).inputs == both.one("runner-container", kind).inputs
    assert "TOKEN-project-bye-runner" in unpacked(both.one("runner-configuration"))["files/config.toml"]
    assert "TOKEN" not in json.dumps(plain(both.one("runner-container", kind).inputs))


def test_projects_do_not_share_a_cache(both: Recorder) -> None:
    runners = tomllib.loads(unpacked(both.one("runner-configuration"))["files/config.toml"])["runners"]
    caches = [volume for runner in runners for volume in runner["docker"]["volumes"] if volume.endswith(":/cache")]
    assert len(set(caches)) == 2
