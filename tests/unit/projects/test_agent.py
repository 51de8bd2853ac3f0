"""A project whose pipeline reaches the cluster through GitLab's agent."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]

from components.auto_devops_project import (
    access,
)
from tests.unit import recording
from tests.unit.program import ROOT
from tests.unit.projects.delivery import (
    variables,
)
from tests.unit.recording import Recorder, contains_secret, plain


def test_with_an_agent_no_token_of_the_cluster_is_in_gitlab(by_agent: Recorder, custom: Recorder) -> None:
    made = variables(by_agent)
    assert "KUBECONFIG" not in made and "KUBE_CONTEXT" not in variables(custom)
    assert made["KUBE_CONTEXT"]["value"] == "team/hello:cluster"
    assert made["KUBE_CONTEXT"]["protected"] is True
    # Nor is there one that has no end: the agent's pod gets one of an hour.
    kinds = {plain(secret.inputs.get("type")) for secret in by_agent.of_type("kubernetes:core/v1:Secret")}
    assert kinds == {"Opaque"}
    assert not [r for r in custom.everything if "luster" in r.type and r.type.startswith("gitlab:")]


def test_an_agent_belongs_to_the_project(by_agent: Recorder) -> None:
    project = str(recording.number("project-hello-project"))
    agent, token = by_agent.one("project-hello-agent-agent"), by_agent.one("project-hello-agent-token")
    assert (agent.parent, agent.inputs["project"]) == ("project-hello-agent", project)
    assert (token.inputs["project"], token.inputs["agentId"]) == (project, recording.number(agent.name))
    assert by_agent.one("project-hello-agent").parent == "project-hello"
    assert by_agent.one("project-hello-agent").outputs == {"context": "team/hello:cluster"}


def test_an_agents_token_is_a_secret_of_the_namespace_alone(by_agent: Recorder) -> None:
    value = "TOKEN-project-hello-agent-token"
    holders = [r.name for r in by_agent.everything if value in str(r.inputs)]
    assert holders == ["project-hello-agent-secret"]
    secret = by_agent.one("project-hello-agent-secret")
    assert isinstance(secret.inputs["stringData"]["token"], recording.Secret) or contains_secret(secret.inputs)
    assert plain(secret.inputs["metadata"]) == {"name": "gitlab-agent-token", "namespace": "team-hello"}


def test_an_agent_may_do_what_the_account_may(by_agent: Recorder) -> None:
    release = by_agent.one("project-hello-agent-release").inputs
    assert (release["chart"], release["version"], release["name"], release["namespace"]) == (
        "gitlab-agent",
        "2.32.0",
        "gitlab-agent",
        "team-hello",
    )
    assert release["repositoryOpts"] == {"repo": "https://mirror.corp/gitlab-charts", "caFile": "/ca/corp.crt"}
    values = release["values"]
    # The chart's default is the whole cluster's administrator.
    assert values["rbac"] == {"create": False}
    assert values["serviceAccount"] == {"create": False, "name": access.ACCOUNT}
    assert values["config"] == {
        "kasAddress": "wss://gitlab.devops.example.com/-/kubernetes-agent/",
        "kasCaCert": "CERT ca-root\n",
        "secretName": "gitlab-agent-token",
        "operational_container_scanning": {"enabled": False},
    }
    assert values["image"] == {
        "repository": "registry.gitlab.com/gitlab-org/cluster-integration/gitlab-agent/agentk",
        "tag": "v19.4.0",
    }
    rules = by_agent.one("project-hello-role").inputs["rules"]
    assert rules == [*access.RULES, *access.AGENT_RULES]
    assert {kind for rule in access.AGENT_RULES for kind in rule["resources"]} == {"leases", "events"}


def test_the_first_pipeline_begins_when_the_agent_is_there(by_agent: Recorder) -> None:
    assert "project-hello-agent-release" in by_agent.one("project-hello-first-commit").dependencies
    needs = by_agent.one("project-hello-agent-release").dependencies
    assert {"project-hello-agent-secret", "project-hello-binding", "project-hello-account"} <= set(needs)


def test_the_agents_own_values_are_the_charts(by_agent: Recorder) -> None:
    """By the schema of the lab's chart, whose names are GitLab's."""
    schema = json.loads((ROOT / "standins/gitlab/charts/gitlab-agent/values.schema.json").read_text())
    values = plain(by_agent.one("project-hello-agent-release").inputs["values"])
    jsonschema.validate(values, schema)
