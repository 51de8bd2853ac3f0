"""The sample services and their chart, by the tools that read them: GitLab's published schema, Go, Helm."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.ci_images import IMAGE_VARIABLES, roles
from tests.unit.conftest import ROOT
from tests.unit.scripts import Machine

SERVICES = sorted(path.parent for path in (ROOT / "services").glob("*/.gitlab-ci.yml"))
CHART = ROOT / "charts" / "microservice"
HEAL = ".gitlab/heal-release.sh"
KINDS = {"hello-auto": "auto", "hello-custom": "custom"}


def pipeline(service: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((service / ".gitlab-ci.yml").read_text())
    return loaded


def test_there_is_one_service_per_kind() -> None:
    assert [service.name for service in SERVICES] == sorted(KINDS)


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_pipeline_is_what_gitlabs_schema_allows(service: Path) -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"]
    result = subprocess.run(check, cwd=service, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_schema_check_can_fail(tmp_path: Path) -> None:
    """`image` is a keyword, not a job's name."""
    (tmp_path / ".gitlab-ci.yml").write_text("image:\n  script: [make]\n")
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci", ".gitlab-ci.yml"]
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


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


HISTORY = """REVISION\tUPDATED                 \tSTATUS         \tCHART             \tAPP VERSION\tDESCRIPTION
1       \tTue Nov 24 13:02:54 2026\tsuperseded     \tmicroservice-1.0.0\t           \tInstall complete
2       \tTue Nov 24 13:02:55 2026\tdeployed       \tmicroservice-1.0.0\t           \tUpgrade complete
3       \tTue Nov 24 13:02:55 2026\tfailed         \tmicroservice-1.0.0\t           \tnot deployed
4       \tTue Nov 24 13:02:59 2026\tpending-upgrade\tmicroservice-1.0.0\t           \tPreparing upgrade
"""


@pytest.mark.parametrize(
    ("status", "history", "changes"),
    [
        (None, "", []),
        ("pending-install", "", ["helm uninstall hello --wait --timeout 3m"]),
        ("pending-upgrade", HISTORY, ["helm rollback hello 2"]),
        ("pending-rollback", HISTORY, ["helm rollback hello 2"]),
        ("pending-upgrade", HISTORY.replace("deployed  ", "failed    "), ["helm rollback hello 0"]),
    ],
)
def test_a_killed_deployment(tmp_path: Path, status: str | None, history: str, changes: list[str]) -> None:
    """As Helm prints it (taken from Helm 4 at an API server); what is not pending is left alone."""
    machine = Machine(tmp_path / "machine")
    (machine.root / "history").write_text(history)
    machine.fake(
        "helm",
        f"""[ "$HELM_NAMESPACE" = team-hello ] || exit 1
        case $1 in
        list) {"echo hello" if status else "true"} ;;
        status) printf 'NAME: hello\nLAST DEPLOYED: today\nSTATUS: {status}\nREVISION: 2\n' ;;
        history) cat {machine.root}/history ;;
        uninstall|rollback) ;;
        *) exit 1 ;;
        esac""",
    )
    result = machine.program(ROOT / "services" / "hello-custom" / HEAL, "hello", KUBE_NAMESPACE="team-hello")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "helm list --pending --short --filter ^hello$" in machine.calls
    assert [call for call in machine.calls if call.split()[1] in ("uninstall", "rollback")] == changes


def test_a_release_that_nobody_knows_how_to_heal_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    machine.fake("helm", "case $1 in list) echo hello ;; status) echo 'STATUS: pending-rapture' ;; *) exit 1 ;; esac")
    result = machine.program(ROOT / "services" / "hello-custom" / HEAL, "hello", KUBE_NAMESPACE="team-hello")
    assert result.returncode == 1
    assert "helm rollback hello REVISION" in result.stdout


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_modules_are_pinned(service: Path) -> None:
    required = re.findall(r"^\s*(?:require )?(\S+\.\S+/\S+) (v\S+)", (service / "go.mod").read_text(), re.MULTILINE)
    sums = (service / "go.sum").read_text()
    assert len(required) > 10
    for module, version in required:
        assert f"{module} {version}/go.mod h1:" in sums, module


@pytest.mark.skipif(not shutil.which("go"), reason="no Go here")
@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_sources_are_formatted(service: Path) -> None:
    assert subprocess.run(["gofmt", "-l", "."], cwd=service, capture_output=True, text=True, check=True).stdout == ""


# The chart, by Helm itself: an installed one, or the one that the lab built. `make lint` fails where there is none.


def helm() -> str | None:
    """Helm, if there is one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "auto-devops" / "kubernetes"
    built = sorted(cache.glob("helm-*/helm"))
    return shutil.which("helm") or (str(built[-1]) if built else None)


# Now: tests have a home of their own.
HELM = helm()
needs_helm = pytest.mark.skipif(HELM is None, reason="no Helm here; make lint builds one and checks the chart")


def rendered(*settings: str, release: str = "hello") -> dict[str, Any]:
    """The chart's objects, by kind."""
    arguments = [
        item for setting in ("image.repository=r.example/a", "image.tag=1", *settings) for item in ("--set", setting)
    ]
    command = [str(HELM), "template", release, str(CHART), *arguments]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return {item["kind"]: item for item in yaml.safe_load_all(text) if item}


@needs_helm
def test_chart_is_what_helm_allows() -> None:
    command = [str(HELM), "lint", "--strict", str(CHART), "--set", "image.repository=r.example/a,image.tag=1"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_helm
def test_chart_probes_the_service_and_runs_it_as_nobody() -> None:
    pod = rendered()["Deployment"]["spec"]["template"]["spec"]
    container = pod["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["securityContext"]["runAsNonRoot"] is True
    assert container["ports"][0]["containerPort"] == 5000
    assert container["image"] == "r.example/a:1"
    assert "limits" in container["resources"]
    assert pod["automountServiceAccountToken"] is False
    assert "imagePullSecrets" not in pod


@needs_helm
def test_chart_has_an_ingress_where_it_has_a_host() -> None:
    assert set(rendered()) == {"Deployment", "Service"}
    ingress = rendered("ingress.host=team-hello.k8s.example.com")["Ingress"]["spec"]
    assert ingress["rules"][0]["host"] == "team-hello.k8s.example.com"
    assert "ingressClassName" not in ingress, "the cluster's default"
    assert rendered("ingress.host=a.b", "ingress.className=x")["Ingress"]["spec"]["ingressClassName"] == "x"


@needs_helm
@pytest.mark.parametrize(
    ("release", "name"),
    [("hello", "hello"), ("9lives", "svc-9lives"), ("2048", "svc-2048"), ("on", "on"), ("1" * 53, "svc-" + "1" * 48)],
)
def test_every_project_has_a_name_that_kubernetes_takes(release: str, name: str) -> None:
    """A Service's name begins with a letter; and what YAML would read as a number or a truth value is a text."""
    objects = rendered("ingress.host=a.b", release=release)
    assert {item["metadata"]["name"] for item in objects.values()} == {name}
    assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)
    assert objects["Service"]["spec"]["selector"]["app.kubernetes.io/instance"] == release
    path = objects["Ingress"]["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"]["service"]["name"] == name


@needs_helm
def test_chart_needs_an_image() -> None:
    result = subprocess.run([str(HELM), "template", str(CHART)], capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert "image.repository is empty" in result.stderr


@needs_helm
def test_chart_uses_a_pull_secret() -> None:
    pod = rendered("image.pullSecret=registry")["Deployment"]["spec"]["template"]["spec"]
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
