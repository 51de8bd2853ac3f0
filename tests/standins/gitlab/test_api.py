"""What pulumi's provider and people do by the API, done by python-gitlab."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import gitlab
import pytest

from tests.standins.gitlab.conftest import TOKEN
from tests.standins.gitlab.installation import Installation


def test_says_who_it_is(installation: Installation, client: gitlab.Gitlab) -> None:
    assert client.version()[0] == "19.4.0"
    assert client.user is not None
    assert (client.user.username, client.user.is_admin) == ("root", True)
    answer = installation.get("/api/v4/version")
    assert (answer.status_code, answer.json()) == (401, {"message": "401 Unauthorized"})
    assert installation.get("/api/v4/user", headers={"Authorization": f"Bearer {TOKEN}"}).json()["username"] == "root"


def test_groups(client: gitlab.Gitlab, group: Any) -> None:
    group.description = "what we do"
    group.save()
    inside = client.groups.create({"name": "In", "path": "in", "parent_id": group.id, "visibility": "private"})
    assert inside.full_path == f"{group.path}/in"
    found = client.groups.get(f"{group.path}/in")
    assert (found.id, found.parent_id, client.groups.get(group.id).description) == (inside.id, group.id, "what we do")
    with pytest.raises(gitlab.GitlabCreateError, match="has already been taken"):
        client.groups.create({"name": "In", "path": group.path})
    with pytest.raises(gitlab.GitlabCreateError, match="can only include non-accented letters"):
        client.groups.create({"name": "x", "path": "-x y"})
    group.delete()
    for gone in (group.id, inside.id):
        with pytest.raises(gitlab.GitlabGetError, match="404 Group Not Found"):
            client.groups.get(gone)


def test_only_a_subgroup_is_removed_at_once(client: gitlab.Gitlab, group: Any) -> None:
    inside = client.groups.create({"name": "Deep", "path": "deep", "parent_id": group.id})
    with pytest.raises(gitlab.GitlabDeleteError, match="only available for subgroups"):
        group.delete(permanently_remove=True, full_path=group.path)
    inside.delete(permanently_remove=True, full_path=f"{group.path}/deep")
    with pytest.raises(gitlab.GitlabGetError):
        client.groups.get(inside.id)


def test_projects(client: gitlab.Gitlab, group: Any) -> None:
    made = client.projects.create(
        {
            "name": "Shop",
            "path": "shop",
            "namespace_id": group.id,
            "visibility": "private",
            "auto_devops_enabled": False,
            "container_registry_access_level": "enabled",
            "only_allow_merge_if_pipeline_succeeds": True,
            "topics": ["a", "b"],
            "initialize_with_readme": True,
        }
    )
    found = client.projects.get(f"{group.path}/shop")
    assert found.id == made.id
    assert (found.visibility, found.topics, found.default_branch, found.empty_repo) == (
        "private",
        ["a", "b"],
        "main",
        False,
    )
    assert found.http_url_to_repo.endswith(f"/{group.path}/shop.git")
    assert found.ssh_url_to_repo == f"git@localhost:{group.path}/shop.git"
    client.projects.update(made.id, {"description": "sells", "ci_config_path": "ci.yml"})
    assert client.projects.get(made.id).ci_config_path == "ci.yml"
    with pytest.raises(gitlab.GitlabUpdateError, match="frobnicate: not supported by the lab's GitLab"):
        client.projects.update(made.id, {"frobnicate": True})
    with pytest.raises(gitlab.GitlabCreateError, match="has already been taken"):
        client.projects.create({"name": "Shop", "path": "shop", "namespace_id": group.id})
    made.delete(permanently_remove=True, full_path=f"{group.path}/shop")
    with pytest.raises(gitlab.GitlabGetError, match="404 Project Not Found"):
        client.projects.get(made.id)
    again = client.projects.create({"name": "Shop", "path": "shop", "namespace_id": group.id})
    assert again.id != made.id
    assert again.branches.list() == []


def test_variables(client: gitlab.Gitlab, project: Any) -> None:
    made = project.variables.create({"key": "A", "value": "one", "description": "first"})
    assert (made.variable_type, made.protected, made.masked, made.raw, made.environment_scope) == (
        "env_var",
        False,
        False,
        False,
        "*",
    )
    project.variables.create({"key": "A", "value": "live", "environment_scope": "production"})
    with pytest.raises(gitlab.GitlabGetError, match="There are multiple variables"):
        project.variables.get("A")
    scoped = project.variables.get("A", filter={"environment_scope": "production"})
    assert scoped.value == "live"
    project.variables.update("A", {"value": "two"}, filter={"environment_scope": "production"})
    project.variables.delete("A", filter={"environment_scope": "*"})
    assert [one.value for one in project.variables.list()] == ["two"]
    with pytest.raises(gitlab.GitlabCreateError, match="value"):
        project.variables.create({"key": "B", "value": "short", "masked": True})
    hidden = project.variables.create({"key": "H", "value": "hidden-value", "masked_and_hidden": True})
    assert (hidden.hidden, project.variables.get("H").value) == (True, None)
    with pytest.raises(gitlab.GitlabCreateError, match="has already been taken"):
        project.variables.create({"key": "H", "value": "x"})


def test_secrets_are_not_readable_on_disk(installation: Installation, project: Any) -> None:
    project.variables.create({"key": "SECRET", "value": "very-secret-value"})
    token = project.access_tokens.create({"name": "t", "scopes": ["api"], "access_level": 30}).token
    kept = b"".join(
        file.read_bytes() for file in (installation.root / "var/opt/gitlab/postgresql/data").iterdir() if file.is_file()
    )
    for secret in (b"very-secret-value", token.encode(), TOKEN.encode()):
        assert secret not in kept


def test_runners(client: gitlab.Gitlab, project: Any, group: Any) -> None:
    assert client.user is not None
    made = client.user.runners.create(
        {"runner_type": "group_type", "group_id": group.id, "description": "builds", "tag_list": ["docker", "go"]}
    )
    assert made.token.startswith("glrt-")
    runner = client.runners.get(made.id)
    assert (runner.tag_list, runner.status, runner.description) == (["docker", "go"], "never_contacted", "builds")
    assert [one.id for one in project.runners.list()] == [made.id]
    client.runners.update(made.id, {"paused": True, "description": "paused"})
    assert client.runners.get(made.id).paused
    assert made.id in [one.id for one in client.runners_all.list(get_all=True)]
    client.runners.delete(made.id)
    with pytest.raises(gitlab.GitlabGetError, match="404 Runner Not Found"):
        client.runners.get(made.id)


def test_a_projects_runner_goes_with_it(client: gitlab.Gitlab, project: Any) -> None:
    assert client.user is not None
    made = client.user.runners.create({"runner_type": "project_type", "project_id": project.id})
    project.delete()
    with pytest.raises(gitlab.GitlabGetError):
        client.runners.get(made.id)


def test_tokens_are_rotated_and_revoked(installation: Installation, client: gitlab.Gitlab, project: Any) -> None:
    made = project.access_tokens.create({"name": "ci", "scopes": ["read_api"], "access_level": 20})
    own = installation.client(made.token)
    assert own.personal_access_tokens.get("self").name == "ci"
    assert own.projects.get(project.id).id == project.id
    with pytest.raises(gitlab.GitlabCreateError, match="insufficient_scope"):
        own.projects.get(project.id).variables.create({"key": "X", "value": "y"})
    new = project.access_tokens.get(made.id).rotate()
    with pytest.raises(gitlab.GitlabAuthenticationError, match="invalid_token"):
        own.version()
        own.projects.get(project.id)
    assert installation.client(new["token"]).projects.get(project.id).id == project.id
    far = str((datetime.now(UTC) + timedelta(days=400)).date())
    with pytest.raises(gitlab.GitlabCreateError, match="Expiration date must be before"):
        project.access_tokens.create({"name": "x", "scopes": ["api"], "access_level": 20, "expires_at": far})


def test_people_without_rights(installation: Installation, client: gitlab.Gitlab, project: Any, group: Any) -> None:
    user = client.users.create(
        {"username": "otto", "name": "Otto", "email": "otto@example.com", "reset_password": True}
    )
    token = user.personal_access_tokens.create({"name": "t", "scopes": ["api"]}).token
    other = installation.client(token)
    with pytest.raises(gitlab.GitlabGetError, match="404 Project Not Found"):
        other.projects.get(project.id)
    with pytest.raises(gitlab.GitlabListError, match="403"):
        other.runners_all.list()
    project.members.create({"user_id": user.id, "access_level": gitlab.const.AccessLevel.DEVELOPER})
    seen = other.projects.get(project.id)
    with pytest.raises(gitlab.GitlabListError, match="403 Forbidden"):
        seen.variables.list()
    with pytest.raises(gitlab.GitlabDeleteError, match="403 Forbidden"):
        seen.delete()
    assert {member.username for member in project.members_all.list()} == {"root", "otto"}
    user.delete()


def test_lists_come_in_pages(client: gitlab.Gitlab, project: Any) -> None:
    for number in range(5):
        project.variables.create({"key": f"V{number}", "value": "x"})
    page = project.variables.list(per_page=2, iterator=True)
    assert (page.total, page.total_pages, [one.key for one in page]) == (5, 3, ["V0", "V1", "V2", "V3", "V4"])


def test_what_is_not_there_says_so(installation: Installation, project: Any) -> None:
    headers = {"PRIVATE-TOKEN": TOKEN}
    answer = installation.post(f"/api/v4/projects/{project.id}/fork", headers=headers)
    assert (answer.status_code, answer.json()["message"].endswith("is not supported by the lab's GitLab")) == (
        501,
        True,
    )
    assert installation.get("/api/v4/geo_nodes", headers=headers).status_code == 404
