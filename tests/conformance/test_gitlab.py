"""What the program registers in GitLab: against the stand-in of GitLab on loopback, by whichever plugin."""

from __future__ import annotations

import itertools
from typing import Any

import gitlab as api
import pulumi
import pulumi_gitlab as gitlab
import pytest

from tests.conformance.conftest import Start
from tests.conformance.engine import Program
from tests.standins.gitlab.conftest import TOKEN, client, installation, prepared
from tests.standins.gitlab.installation import Installation

__all__ = ["client", "installation", "prepared"]

PROVIDER = "gitlab"
_NUMBERS = itertools.count(1)


@pytest.fixture
def path() -> str:
    """A group's path that no other test has."""
    return f"conformance-{next(_NUMBERS)}"


def program(installation: Installation, path: str, **given: Any) -> Program:
    """A group with a project and all that the platform gives to one; `given` are the variable's other arguments."""

    def program() -> None:
        provider = gitlab.Provider(
            "gitlab",
            base_url=f"{installation.url}/api/v4/",
            token=TOKEN,
            cacert_file=str(installation.ca),
            early_auth_check=False,
        )
        opts = pulumi.ResourceOptions(provider=provider)
        group = gitlab.Group("group", name=path, path=path, visibility_level="private", opts=opts)
        project = gitlab.Project(
            "project",
            name=given.get("project", "hello"),
            path="hello",
            namespace_id=group.id.apply(int),
            visibility_level="private",
            initialize_with_readme=False,
            auto_devops_enabled=False,
            permanently_delete_on_destroy=True,
            opts=opts,
        )
        gitlab.BranchProtection(
            "branch",
            project=project.id,
            branch="main",
            push_access_level=given.get("push", "maintainer"),
            merge_access_level="maintainer",
            allow_force_push=False,
            opts=opts,
        )
        gitlab.ProjectVariable(
            "variable",
            project=project.id,
            key=given.get("key", "NAME"),
            value=given.get("value", "a first value"),
            masked=False,
            protected=True,
            raw=True,
            opts=opts,
        )
        runner = gitlab.UserRunner(
            "runner", runner_type="project_type", project_id=project.id.apply(int), untagged=True, opts=opts
        )
        token = gitlab.ProjectDeployToken(
            "pull", project=project.id, name="cluster", scopes=["read_registry"], opts=opts
        )
        agent = gitlab.ClusterAgent("agent", project=project.id, name="cluster", opts=opts)
        agents = gitlab.ClusterAgentToken(
            "agent-token", project=project.id, agent_id=agent.agent_id, name="cluster", opts=opts
        )
        pulumi.export("project", project.id)
        pulumi.export("with_namespace", project.path_with_namespace)
        pulumi.export("runner", runner.token)
        pulumi.export("pull", token.token)
        pulumi.export("agent", agents.token)

    return program


def test_what_is_registered_is_there_and_goes_again(
    start: Start, installation: Installation, client: api.Gitlab, path: str
) -> None:
    stack = start(program(installation, path))
    made = stack.up()
    assert set(made.operations.values()) == {"create"}
    assert made.outputs["with_namespace"] == f"{path}/hello"
    project = client.projects.get(made.outputs["project"])
    assert project.visibility == "private"
    assert project.protectedbranches.get("main").push_access_levels[0]["access_level"] == 40
    variable = project.variables.get("NAME")
    assert (variable.value, variable.protected, variable.raw) == ("a first value", True, True)
    assert [runner.runner_type for runner in project.runners.list(get_all=True)] == ["project_type"]
    assert [token.scopes for token in project.deploytokens.list(get_all=True)] == [["read_registry"]]
    assert [agent.name for agent in project.cluster_agents.list(get_all=True)] == ["cluster"]
    assert set(stack.up().operations.values()) == {"same"}
    stack.destroy()
    with pytest.raises(api.GitlabGetError):
        client.groups.get(path)


@pytest.mark.full
def test_tokens_are_secret_in_the_state(start: Start, installation: Installation, path: str) -> None:
    stack = start(program(installation, path))
    outputs = stack.up().outputs
    assert "token" in stack.secrets("runner") & stack.secrets("pull") & stack.secrets("agent-token")
    for name in ("runner", "pull", "agent"):
        assert outputs[name] not in stack.text()


@pytest.mark.full
def test_what_may_change_is_changed_in_place(
    start: Start, installation: Installation, client: api.Gitlab, path: str
) -> None:
    stack = start(program(installation, path))
    project = stack.up().outputs["project"]
    changed = stack.up(program(installation, path, value="another", project="Hello there")).operations
    assert (changed["variable"], changed["project"], changed["runner"]) == ("update", "update", "same")
    assert client.projects.get(project).variables.get("NAME").value == "another"
    assert client.projects.get(project).name == "Hello there"


@pytest.mark.full
def test_a_variable_of_another_name_is_another(
    start: Start, installation: Installation, client: api.Gitlab, path: str
) -> None:
    stack = start(program(installation, path))
    project = stack.up().outputs["project"]
    assert "replace" in stack.up(program(installation, path, key="OTHER")).operations["variable"]
    assert [variable.key for variable in client.projects.get(project).variables.list(get_all=True)] == ["OTHER"]


@pytest.mark.full
def test_drift_is_seen_by_a_refresh_and_mended_by_the_next_up(
    start: Start, installation: Installation, client: api.Gitlab, path: str
) -> None:
    stack = start(program(installation, path))
    project = client.projects.get(stack.up().outputs["project"])
    variable = project.variables.get("NAME")
    variable.value = "by hand"
    variable.save()
    stack.refresh()
    assert stack.up().operations["variable"] == "update"
    assert project.variables.get("NAME").value == "a first value"


@pytest.mark.full
def test_what_was_deleted_by_hand_is_made_again(
    start: Start, installation: Installation, client: api.Gitlab, path: str
) -> None:
    stack = start(program(installation, path))
    project = client.projects.get(stack.up().outputs["project"])
    project.variables.delete("NAME")
    stack.refresh()
    assert stack.up().operations["variable"] == "create"
    assert project.variables.get("NAME").value == "a first value"


@pytest.mark.full
def test_a_group_of_that_path_is_not_taken_over(
    start: Start, installation: Installation, client: api.Gitlab, path: str
) -> None:
    theirs = client.groups.create({"name": path, "path": path})
    assert "already been taken" in start(program(installation, path)).failure()
    assert client.groups.get(theirs.id).path == path
