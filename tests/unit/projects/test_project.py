"""A project in GitLab: its variables, its first commit, and the account and namespace that it deploys to."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion

from components.auto_devops_project import (
    access,
    first_commit,
)
from tests.unit import recording
from tests.unit.program import ROOT, unpacked
from tests.unit.projects.delivery import (
    COMMAND,
    SERVICES,
    VARIABLE,
    Kind,
    committed,
    registered,
    variables,
)
from tests.unit.recording import Recorder, contains_secret, plain


def test_project_is_private_and_its_pipelines_come_from_the_repository(custom: Recorder) -> None:
    project = custom.one("project-hello-project").inputs
    assert project["visibilityLevel"] == "private"
    assert project["autoDevopsEnabled"] is False
    assert project["initializeWithReadme"] is False
    assert project["permanentlyDeleteOnDestroy"] is True
    # GitLab answers 400 to a default branch of an empty repository.
    assert "defaultBranch" not in project
    group = custom.one("group-team-group")
    assert f"{project['namespaceId']:.0f}" == str(recording.number("group-team-group"))
    assert group.inputs["visibilityLevel"] == "private"
    # GitLab answers 400 to that for a group that is in no other.
    assert "permanentlyRemoveOnDelete" not in group.inputs


def test_default_branch_is_protected_before_the_first_commit(custom: Recorder) -> None:
    protection = custom.one("project-hello-branch").inputs
    assert (protection["branch"], protection["allowForcePush"]) == ("main", False)
    assert "project-hello-branch" in custom.one("project-hello-first-commit").dependencies


def test_runner_belongs_to_the_project_and_its_token_is_secret(custom: Recorder) -> None:
    runner = custom.one("project-hello-runner").inputs
    assert runner["runnerType"] == "project_type"
    assert f"{runner['projectId']:.0f}" == str(recording.number("project-hello-project"))
    outputs = custom.one("project-hello").outputs
    assert outputs and contains_secret(outputs["runner_token"])


def test_runner_has_the_settings_tags_and_takes_jobs_without_one_as_well(custom: Recorder) -> None:
    """No tags are said, too: where nothing is, the provider keeps those that were there."""
    tagged = registered(tags=["docker", "linux"])
    for recorder, tags in ((custom, []), (tagged, ["docker", "linux"])):
        runner = recorder.one("project-hello-runner").inputs
        assert (plain(runner["tagLists"]), runner["untagged"]) == (tags, True)


def test_urls(custom: Recorder) -> None:
    outputs = plain(custom.one("project-hello").outputs)
    assert outputs["project_url"] == "https://gitlab.devops.example.com/team/hello"
    assert outputs["service_url"] == "http://team-hello.k8s.devops.example.com"


def test_variables_of_a_custom_pipeline(custom: Recorder) -> None:
    found = variables(custom)
    assert set(found) == {
        "GOPROXY",
        "IMAGE_DOCKER",
        "IMAGE_GO",
        "IMAGE_KUBERNETES",
        "IMAGE_RUNTIME",
        "KUBECONFIG",
        "KUBE_INGRESS_BASE_DOMAIN",
        "KUBE_NAMESPACE",
        "REGISTRY",
    }
    assert found["KUBE_NAMESPACE"]["value"] == "team-hello"
    assert found["KUBE_INGRESS_BASE_DOMAIN"]["value"] == "k8s.devops.example.com"
    assert all(v["raw"] is True for v in found.values()), "a dollar in a value must stay one"


def test_variables_of_auto_devops(auto: Recorder) -> None:
    """The cluster pulls with a token of its own, as the job's ends with the job."""
    found = variables(auto)
    assert {"IMAGE_AUTO_BUILD", "IMAGE_AUTO_DEPLOY", "IMAGE_GO", "CI_DEPLOY_USER", "CI_DEPLOY_PASSWORD"} <= set(found)
    password = found["CI_DEPLOY_PASSWORD"]
    assert contains_secret(password["value"]) and password["masked"] and password["protected"]
    assert plain(password["value"]) == "TOKEN-project-hello-pull"
    assert auto.one("project-hello-pull").inputs["scopes"] == ["read_registry"]


def test_kubeconfig_is_a_protected_file(custom: Recorder) -> None:
    variable = variables(custom)["KUBECONFIG"]
    assert (variable["variableType"], variable["protected"]) == ("file", True)
    assert contains_secret(variable["value"])
    user = yaml.safe_load(plain(variable["value"]))["users"][0]["user"]
    assert user == {"token": "token of project-hello-token"}
    # The cluster makes it, so that no input says it is secret.
    assert custom.one("project-hello-token").secret_outputs == ["data", "stringData"]


def test_first_commit_waits_for_all_that_its_pipeline_needs(custom: Recorder) -> None:
    dependencies = custom.one("project-hello-first-commit").dependencies
    for needed in [*(v.name for v in custom.of_type(VARIABLE)), "project-hello-runner", "project-hello-binding"]:
        assert needed in dependencies, needed
    for variable in custom.of_type(VARIABLE):
        if plain(variable.inputs["key"]) == "IMAGE_GO":
            assert "ci-images-go" in variable.dependencies, "a variable must not name an image that is not there yet"


def test_first_commit_happens_once(custom: Recorder) -> None:
    """Neither the directory's changes nor a new token ever touch what people push."""
    commit = custom.one("project-hello-first-commit", COMMAND)
    assert commit.ignore_changes == ["create", "stdin"]
    assert commit.inputs["update"] == "cat >/dev/null"
    assert commit.replacement_trigger == str(recording.number("project-hello-project"))


def test_token_is_in_a_file_and_on_no_command_line(custom: Recorder) -> None:
    commit = custom.one("project-hello-first-commit", COMMAND)
    assert unpacked(commit)["files/curl.conf"] == 'header = "PRIVATE-TOKEN: glpat-root"\n'
    assert contains_secret(commit.inputs["stdin"])
    assert "glpat-root" not in json.dumps([commit.inputs[key] for key in ("create", "delete")])


@pytest.mark.parametrize("pipeline", ["auto", "custom"])
def test_first_commit_is_the_directory(pipeline: Kind, auto: Recorder, custom: Recorder) -> None:
    """And for a custom pipeline the chart; Auto DevOps would take a chart/ for its own."""
    files = committed(auto if pipeline == "auto" else custom)
    source = SERVICES / f"hello-{pipeline}"
    for path in (".gitlab-ci.yml", "main.go", "go.sum", "Dockerfile", ".dockerignore"):
        assert files[path] == (source / path).read_text()
    chart = ROOT / "charts" / "microservice" / "Chart.yaml"
    assert files.get("chart/Chart.yaml") == (chart.read_text() if pipeline == "custom" else None)


def test_own_chart_is_kept(tmp_path: Path) -> None:
    (tmp_path / "chart").mkdir()
    (tmp_path / "chart" / "Chart.yaml").write_text("mine")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("not to be committed")
    assert committed(registered(source=str(tmp_path))) == {"chart/Chart.yaml": "mine"}


def test_without_a_source_the_repository_stays_empty() -> None:
    recorder = registered(source=None)
    assert not [r.name for r in recorder.everything if "first-commit" in r.name]


def test_commit_request(snapshot: SnapshotAssertion) -> None:
    files = {"run.sh": (b"#!/bin/sh\n", True), "binary": (b"\x00\xff", False)}
    assert first_commit.request("main", files) == snapshot


def test_further_variables_of_the_user() -> None:
    recorder = registered(variables={"GOPROXY": "off", "PRICE": "5$"}, secrets={"API_KEY": "correct-horse"})
    found = variables(recorder)
    assert found["GOPROXY"]["value"] == "off", "the user's own word counts more than the platform's"
    assert found["PRICE"]["value"] == "5$"
    assert found["API_KEY"]["masked"] is True
    assert contains_secret(found["API_KEY"]["value"])


def test_registry_login_reaches_jobs_and_cluster(with_login: Recorder) -> None:
    variable = variables(with_login)["DOCKER_AUTH_CONFIG"]
    assert variable["masked"] and contains_secret(variable["value"])
    assert " " not in plain(variable["value"]), "GitLab masks no value with a space"
    entry = json.loads(plain(variable["value"]))["auths"]["registry.devops.example.com"]
    assert base64.b64decode(entry["auth"]).decode() == "ci:correct horse"
    secret = with_login.one("project-hello-pull-secret").inputs
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    assert contains_secret(secret["stringData"])
    assert "project-hello-pull-secret" in with_login.one("project-hello-first-commit").dependencies
    assert variables(with_login)["PULL_SECRET"]["value"] == "registry"


def test_account_may_do_what_a_deployment_needs_in_its_namespace_alone(custom: Recorder) -> None:
    namespace = custom.one("project-hello-namespace").inputs["metadata"]
    # Who may make pods that mount the node's disk is root of the cluster.
    labels = {"pod-security.kubernetes.io/enforce": "baseline"}
    assert namespace == {"name": "team-hello", "labels": labels}
    for name, kind in {
        "account": "ServiceAccount",
        "role": "Role",
        "binding": "RoleBinding",
        "token": "Secret",
    }.items():
        resource = custom.one(f"project-hello-{name}").inputs
        assert (resource["kind"], resource["metadata"]["namespace"]) == (kind, "team-hello")
    assert not [r.name for r in custom.everything if ":Cluster" in r.type], "nothing beyond the namespace"


def test_account_can_give_itself_nothing() -> None:
    for rule in access.RULES:
        assert "*" not in json.dumps(rule)
        assert not {"roles", "rolebindings", "pods/exec", "pods/attach", "serviceaccounts/token"} & {*rule["resources"]}
        assert not {"escalate", "bind", "impersonate"} & {*rule["verbs"]}


def test_kubeconfig(snapshot: SnapshotAssertion) -> None:
    token = base64.b64encode(b"ey.token").decode()
    assert access.kubeconfig("https://192.168.80.96:6443", "Q0E=", token, "team-hello") == snapshot
