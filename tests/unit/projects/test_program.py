"""Projects in the whole program: each group once, and what waits for what."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from tests.unit.program import load_with, unpacked
from tests.unit.projects.delivery import (
    COMMAND,
)
from tests.unit.recording import Recorder
from tests.unit.settings_cases import HELLO


def test_program_makes_each_group_once(projects_stack: Recorder) -> None:
    assert [r.name for r in projects_stack.of_type("gitlab:index/group:Group")] == ["group-team-group"]
    assert [r.name for r in projects_stack.of_type("auto-devops:index:AutoDevOpsProject")] == [
        "project-team-auto",
        "project-team-hello",
    ]


def test_program_registers_both_with_the_runner(projects_stack: Recorder) -> None:
    files = unpacked(projects_stack.one("gitlab-runner-configuration", COMMAND))
    names = [runner["name"] for runner in tomllib.loads(files["files/config.toml"])["runners"]]
    assert names == ["team-auto", "team-hello"]
    container = projects_stack.one("gitlab-runner-container", "docker:index/container:Container")
    assert container.provider == "gitlab-server-engine"


def test_images_wait_for_the_registry_and_its_name(projects_stack: Recorder) -> None:
    dependencies = projects_stack.one("ci-images-go", COMMAND).dependencies
    assert {"registry-host-verify", "dns-resolver-registry"} <= set(dependencies)


def test_gitlab_and_cluster_do_not_wait_for_the_images(projects_stack: Recorder) -> None:
    for name in ("gitlab-server-ready", "k8s-node-ready"):
        assert not [d for d in projects_stack.one(name, COMMAND).dependencies if d.startswith("ci-images")]


def test_mirrors_ca_is_in_the_images_too(mirrored_stack: Recorder, mirror_ca: Path) -> None:
    """Jobs download Go modules from there."""
    files = unpacked(mirrored_stack.one("ci-images-go", COMMAND))
    assert files["files/mirrors.crt"] == mirror_ca.read_text()
    assert "FROM mirror.corp:5000/library/golang:" in files["files/Dockerfile"]


def test_jobs_run_beside_gitlab_by_default(projects_stack: Recorder) -> None:
    assert projects_stack.one("gitlab-runner-container", "docker:index/container:Container")
    assert not [r for r in projects_stack.everything if r.name.startswith("kubernetes-runner")]


def test_a_project_that_need_not_be_kept_goes(good: dict[str, Any], projects_stack: Recorder) -> None:
    kept = projects_stack.exported["keptRepositories"]
    assert kept == ["team/hello"]
    load_with(good | {"projects": [HELLO]}, {"keptRepositories": kept})


def test_the_default_branch_is_remembered(projects_stack: Recorder) -> None:
    assert projects_stack.exported["projects"]["team-hello"]["branch"] == "trunk"
