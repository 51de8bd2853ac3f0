"""Every chart of the repository: Helm's lint, Kubernetes' schemas, and a snapshot of what is rendered.

Our own charts get the values that the program gives them, or that the sample services' pipelines do; so do the
stand-ins of GitLab's charts. No custom resource is among what they render.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from lab import kubernetes
from tests.charts import releases
from tests.charts.helm import Helm, Release, chart
from tests.charts.schemas import problems
from tools import sources

# What the lab's clusters have, before and after its upgrade.
VERSIONS = (kubernetes.VERSION, "v1.37.2")
OF_PROJECTS = {release.called: release for release in releases.of_projects()}
CALLED = [*(f"{stack}-{name}" for stack, name in releases.OF_PROGRAM), *OF_PROJECTS]


class Manifests(SingleFileSnapshotExtension):
    """A file for each release."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


@pytest.fixture(scope="module")
def of_program(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[str, Release]]]:
    """The program's releases by stack. The program writes below the user's home; here that is another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield {stack: releases.of_program(stack, keys) for stack in releases.STACKS}


@pytest.fixture
def release(request: pytest.FixtureRequest, of_program: dict[str, dict[str, Release]]) -> Release:
    """The release that a test is called for."""
    found = {made.called: made for stack in of_program.values() for made in stack.values()} | OF_PROJECTS
    return found[request.param]


every_release = pytest.mark.parametrize("release", CALLED, indirect=True)


def test_no_release_of_the_program_is_forgotten(of_program: dict[str, dict[str, Release]]) -> None:
    assert {name for made in of_program.values() for name in made} == {name for _, name in releases.OF_PROGRAM}


def test_no_chart_is_forgotten(of_program: dict[str, dict[str, Release]]) -> None:
    used = {made.chart for stack in of_program.values() for made in stack.values()}
    assert used | {made.chart for made in OF_PROJECTS.values()} == set(sources.chart_folders())


@every_release
def test_helm_finds_nothing_to_say(helm: Helm, release: Release) -> None:
    done = helm.lint(release)
    assert done.returncode == 0, done.stdout + done.stderr


@every_release
def test_manifests_stay(helm: Helm, release: Release, snapshot: SnapshotAssertion) -> None:
    assert helm.manifests(release) == snapshot(extension_class=Manifests)


@every_release
def test_kubernetes_takes_the_manifests(helm: Helm, release: Release) -> None:
    objects = helm.objects(release)
    assert objects
    assert [problem for item in objects for version in VERSIONS for problem in problems(item, version)] == []


def test_kubernetes_takes_the_pod_that_makes_volumes(helm: Helm, of_program: dict[str, dict[str, Release]]) -> None:
    """A manifest within a manifest: the provisioner makes the pod from a file."""
    objects = helm.objects(of_program["plain"]["storage"])
    (configuration,) = (item for item in objects if item["kind"] == "ConfigMap")
    pod = yaml.safe_load(configuration["data"]["helperPod.yaml"])
    assert [problem for version in VERSIONS for problem in problems(pod, version)] == []


# That what is wrong is refused: by the schemas and by Helm.


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (
            {"securityContext": {"runAsRoot": True}},
            "Additional properties are not allowed ('runAsRoot' was unexpected)",
        ),
        ({"resources": {"requests": ["cpu"]}}, "is not of type 'object'"),
        ({"replicas": "three"}, "'three' is not of type 'integer'"),
    ],
)
def test_a_wrong_manifest_is_refused(helm: Helm, values: dict[str, Any], problem: str) -> None:
    right = OF_PROJECTS["by-pipeline"]
    wrong = replace(right, called="wrong", values=right.values | values)
    (deployment,) = (item for item in helm.objects(wrong) if item["kind"] == "Deployment")
    assert any(problem in found for found in problems(deployment, VERSIONS[0]))


def test_a_kind_without_a_schema_is_refused() -> None:
    item = {"apiVersion": "traefik.io/v1alpha1", "kind": "IngressRoute", "metadata": {"name": "a"}}
    (problem,) = problems(item, VERSIONS[0])
    assert problem.startswith("IngressRoute a: Couldn't find schema")


def test_a_broken_chart_is_refused(helm: Helm, tmp_path: Path) -> None:
    broken = tmp_path / "microservice"
    shutil.copytree(chart("microservice"), broken)
    (broken / "templates/service.yaml").write_text("{{ .Values.service.port | nosuchfunction }}\n")
    done = helm.lint(replace(OF_PROJECTS["by-pipeline"], called="broken", chart=broken))
    assert done.returncode != 0
    assert "nosuchfunction" in done.stdout + done.stderr
