"""The sample services, by GitLab's published schema and what the program tells them. Their chart: tests/charts."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from components.ci_images import IMAGE_VARIABLES, roles
from tests.unit.program import ROOT

SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/.gitlab-ci.yml"))
HEAL = ".gitlab/heal-release.sh"
KINDS = {"hello-auto": "auto", "hello-custom": "custom"}


def pipeline(service: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((service / ".gitlab-ci.yml").read_text())
    return loaded


def test_there_is_one_service_per_kind() -> None:
    assert [service.name for service in SERVICES] == sorted(KINDS)


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft7Validator:
    """GitLab's schema as check-jsonschema has it, whose import brings a whole command along: so it is only read."""
    package = importlib.util.find_spec("check_jsonschema")
    assert package and package.origin
    text = (Path(package.origin).parent / "builtin_schemas/vendor/gitlab-ci.json").read_text()
    loaded = json.loads(text)
    assert jsonschema.validators.validator_for(loaded) is jsonschema.Draft7Validator
    return jsonschema.Draft7Validator(loaded, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_pipeline_is_what_gitlabs_schema_allows(schema: jsonschema.Draft7Validator, service: Path) -> None:
    assert [error.message for error in schema.iter_errors(pipeline(service))] == []


def test_schema_check_can_fail(schema: jsonschema.Draft7Validator) -> None:
    """`image` is a keyword, not a job's name."""
    assert list(schema.iter_errors({"image": {"script": ["make"]}}))


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_pipeline_uses_the_images_that_the_project_is_told(service: Path) -> None:
    kind = KINDS[service.name]
    told = {IMAGE_VARIABLES[role] for role in roles(kind)} | {"IMAGE_RUNTIME"}  # type: ignore[arg-type]
    assert set(re.findall(r"\$(IMAGE_[A-Z_]+)", (service / ".gitlab-ci.yml").read_text())) == told


def test_auto_devops_keeps_the_shared_engine() -> None:
    """No Docker in Docker, and no word about DOCKER_HOST: the runner's is kept."""
    jobs = pipeline(ROOT / "services" / "hello-auto")
    assert jobs["include"] == [{"template": "Auto-DevOps.gitlab-ci.yml"}]
    assert jobs["build"]["services"] == []
    assert "DOCKER_HOST" not in json.dumps(jobs)
    assert jobs["variables"]["POSTGRES_ENABLED"] == "false"
    assert jobs["variables"]["TEST_DISABLED"] == "true"
    values = yaml.safe_load((ROOT / "services" / "hello-auto" / ".gitlab" / "auto-deploy-values.yaml").read_text())
    assert values["livenessProbe"]["path"] == values["readinessProbe"]["path"] == "/healthz"
    ingress = (ROOT / "charts" / "ingress" / "templates" / "traefik.yaml").read_text()
    assert f"kind: IngressClass\nmetadata:\n  name: {values['ingress']['className']}\n" in ingress


def test_images_are_named_by_project_and_commit() -> None:
    """Two projects, or two commits, at once on the shared engine must not get each other's."""
    jobs = pipeline(ROOT / "services" / "hello-custom")
    assert jobs["variables"]["IMAGE"] == "$REGISTRY/$CI_PROJECT_PATH:$CI_COMMIT_SHA"


def test_a_failing_test_stops_the_deployment() -> None:
    jobs = pipeline(ROOT / "services" / "hello-custom")
    assert "test" in jobs["deploy"]["needs"]
    assert "allow_failure" not in json.dumps(jobs)


def test_services_are_the_same_program() -> None:
    first, second = SERVICES
    for name in ("router.go", "router_test.go", "go.mod", "go.sum", "Dockerfile", ".dockerignore", HEAL):
        assert (first / name).read_text() == (second / name).read_text(), name


def test_what_a_killed_deployment_left_is_taken_up_first() -> None:
    """And by one job at a time: one that is still under way must not be taken for dead."""
    for kind, name, steps, release in (
        ("hello-custom", "deploy", "script", '"$CI_PROJECT_NAME"'),
        ("hello-auto", "production", "before_script", '"${HELM_RELEASE_NAME:-$CI_ENVIRONMENT_SLUG}"'),
    ):
        job = pipeline(ROOT / "services" / kind)[name]
        assert job[steps][0] == f"sh {HEAL} {release}"
        assert job["resource_group"] == "production"


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_modules_are_pinned(service: Path) -> None:
    required = re.findall(r"^\s*(?:require )?(\S+\.\S+/\S+) (v\S+)", (service / "go.mod").read_text(), re.MULTILINE)
    sums = (service / "go.sum").read_text()
    assert len(required) > 10
    for module, version in required:
        assert f"{module} {version}/go.mod h1:" in sums, module
