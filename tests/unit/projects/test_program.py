"""Projects in the whole program: each group once, and what waits for what."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.unit.conftest import Run, good_settings, run_with, unpacked
from tests.unit.projects.delivery import (
    COMMAND,
    SERVICES,
)
from tests.unit.recording import Recorder


@pytest.fixture(scope="module")
def stack(keys: Path) -> Recorder:
    """What the program registers with two projects."""
    projects = [
        {"group": "team", "name": "hello", "pipeline": "custom", "source": str(SERVICES / "hello-custom")},
        {"group": "team", "name": "auto", "pipeline": "auto"},
    ]
    return run_with(good_settings(keys) | {"projects": projects, "ci": {"goProxy": "https://mirror.corp/go"}})


def test_program_makes_each_group_once(stack: Recorder) -> None:
    assert [r.name for r in stack.of_type("gitlab:index/group:Group")] == ["group-team-group"]
    assert [r.name for r in stack.of_type("auto-devops:index:AutoDevOpsProject")] == [
        "project-team-auto",
        "project-team-hello",
    ]


def test_program_registers_both_with_the_runner(stack: Recorder) -> None:
    files = unpacked(stack.one("gitlab-runner-configuration", COMMAND))
    names = [runner["name"] for runner in tomllib.loads(files["files/config.toml"])["runners"]]
    assert names == ["team-auto", "team-hello"]
    container = stack.one("gitlab-runner-container", "docker:index/container:Container")
    assert container.provider == "gitlab-server-engine"


def test_images_wait_for_the_registry_and_its_name(stack: Recorder) -> None:
    dependencies = stack.one("ci-images-go", COMMAND).dependencies
    assert {"registry-host-verify", "dns-resolver-registry"} <= set(dependencies)


def test_gitlab_and_cluster_do_not_wait_for_the_images(stack: Recorder) -> None:
    for name in ("gitlab-server-ready", "k8s-node-ready"):
        assert not [d for d in stack.one(name, COMMAND).dependencies if d.startswith("ci-images")]


def test_mirrors_ca_is_in_the_images_too(run_program: Run, good: dict[str, Any], mirror_ca: Path) -> None:
    """Jobs download Go modules from there."""
    good["mirrors"] = {"caCertificateFile": str(mirror_ca), "images": {"docker.io": "mirror.corp:5000"}}
    good["projects"] = [{"group": "team", "name": "hello", "pipeline": "custom"}]
    files = unpacked(run_program(good).one("ci-images-go", COMMAND))
    assert files["files/mirrors.crt"] == mirror_ca.read_text()
    assert "FROM mirror.corp:5000/library/golang:" in files["files/Dockerfile"]


def test_without_projects_there_is_a_runner_and_no_images(run_program: Run, good: dict[str, Any]) -> None:
    recorder = run_program(good)
    assert recorder.one("gitlab-runner-container", "docker:index/container:Container")
    assert not [r.name for r in recorder.everything if r.name.startswith(("ci-images", "project-", "group-"))]
