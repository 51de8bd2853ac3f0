"""Git by HTTPS with the real git: tokens, protected branches, the first push; and the API's commits."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import gitlab
import pytest

from tests.standins.gitlab.conftest import TOKEN
from tests.standins.gitlab.installation import Installation


def work_in(installation: Installation, project: Any, folder: Path, user: str = "oauth2", secret: str = TOKEN) -> Path:
    """A clone with one commit that is not pushed."""
    installation.git("clone", installation.remote(project.path_with_namespace, user, secret), str(folder))
    (folder / "README.md").write_text("hello\n")
    installation.git("checkout", "-q", "-B", "main", cwd=folder)
    installation.git("add", ".", cwd=folder)
    installation.git("commit", "-qm", "first", cwd=folder)
    return folder


def person(client: gitlab.Gitlab, name: str, project: Any, level: int) -> str:
    """A member of the project; returns a token of theirs."""
    user = client.users.create({"username": name, "name": name, "email": f"{name}@example.com", "reset_password": True})
    project.members.create({"user_id": user.id, "access_level": level})
    token: str = user.personal_access_tokens.create({"name": "git", "scopes": ["write_repository"]}).token
    return token


def test_first_push_makes_and_protects_the_default_branch(
    installation: Installation, project: Any, tmp_path: Path
) -> None:
    assert project.empty_repo
    folder = work_in(installation, project, tmp_path / "work")
    installation.git("push", "-q", "origin", "main", cwd=folder)
    assert [branch.name for branch in project.branches.list()] == ["main"]
    rule = project.protectedbranches.get("main")
    assert [level["access_level"] for level in rule.push_access_levels] == [40]
    assert project.files.get("README.md", ref="main").decode() == b"hello\n"


@pytest.mark.parametrize("user", ["oauth2", "root", "anything"])
def test_a_personal_access_token_is_the_password(
    installation: Installation, project: Any, tmp_path: Path, user: str
) -> None:
    work_in(installation, project, tmp_path / "work", user=user)


@pytest.mark.parametrize(("user", "secret"), [("oauth2", "glpat-wrong-token-000000"), ("gitlab-ci-token", "x")])
def test_a_wrong_token_is_refused(
    installation: Installation, project: Any, tmp_path: Path, user: str, secret: str
) -> None:
    remote = installation.remote(project.path_with_namespace, user, secret)
    done = installation.git("clone", remote, str(tmp_path / "work"), check=False)
    assert done.returncode != 0
    assert "HTTP Basic: Access denied" in done.stderr


def test_nobody_learns_what_exists(installation: Installation, project: Any) -> None:
    there = installation.get(f"/{project.path_with_namespace}.git/info/refs?service=git-upload-pack")
    not_there = installation.get("/no/such.git/info/refs?service=git-upload-pack")
    assert there.status_code == not_there.status_code == 401


def test_protected_branches_are(
    installation: Installation, client: gitlab.Gitlab, project: Any, tmp_path: Path
) -> None:
    first = work_in(installation, project, tmp_path / "first")
    installation.git("push", "-q", "origin", "main", cwd=first)
    token = person(client, "dora", project, gitlab.const.AccessLevel.DEVELOPER)
    folder = tmp_path / "second"
    installation.git("clone", "-q", installation.remote(project.path_with_namespace, "oauth2", token), str(folder))
    installation.git("commit", "-q", "--allow-empty", "-m", "mine", cwd=folder)
    refused = installation.git("push", "origin", "main", cwd=folder, check=False)
    assert "GitLab: You are not allowed to push code to protected branches on this project." in refused.stderr
    installation.git("push", "-q", "origin", "HEAD:feature", cwd=folder)
    project.protectedbranches.delete("main")
    project.protectedbranches.create({"name": "main", "push_access_level": 30})
    installation.git("push", "-q", "origin", "main", cwd=folder)
    installation.git("commit", "-q", "--amend", "--allow-empty", "-m", "other", cwd=folder)
    forced = installation.git("push", "--force", "origin", "main", cwd=folder, check=False)
    assert "not allowed to force push code to a protected branch" in forced.stderr


def test_guests_do_not_push_nor_clone(
    installation: Installation, client: gitlab.Gitlab, project: Any, tmp_path: Path
) -> None:
    work = work_in(installation, project, tmp_path / "work")
    installation.git("push", "-q", "origin", "main", cwd=work)
    token = person(client, "gus", project, gitlab.const.AccessLevel.GUEST)
    remote = installation.remote(project.path_with_namespace, "gus", token)
    assert installation.git("ls-remote", remote, check=False).returncode != 0
    reporter = person(client, "rita", project, gitlab.const.AccessLevel.REPORTER)
    remote = installation.remote(project.path_with_namespace, "rita", reporter)
    assert installation.git("ls-remote", remote).stdout
    refused = installation.git("push", remote, "main:other", cwd=work, check=False)
    assert refused.returncode != 0


def test_the_scopes_of_a_token_count(
    installation: Installation, client: gitlab.Gitlab, project: Any, tmp_path: Path
) -> None:
    work = work_in(installation, project, tmp_path / "work")
    installation.git("push", "-q", "origin", "main", cwd=work)
    reading = project.access_tokens.create({"name": "r", "scopes": ["read_repository"], "access_level": 40})
    remote = installation.remote(project.path_with_namespace, "oauth2", reading.token)
    assert installation.git("ls-remote", remote).stdout
    assert installation.git("push", remote, "main:other", cwd=work, check=False).returncode != 0
    answer = installation.get(f"/api/v4/projects/{project.id}", headers={"PRIVATE-TOKEN": reading.token})
    assert answer.status_code == 403
    assert answer.json()["error"] == "insufficient_scope"


def test_a_deploy_token_clones_its_project_only(
    installation: Installation, client: gitlab.Gitlab, project: Any, tmp_path: Path
) -> None:
    work = work_in(installation, project, tmp_path / "work")
    installation.git("push", "-q", "origin", "main", cwd=work)
    other = client.projects.create({"name": "other", "namespace_id": project.namespace["id"]})
    token = project.deploytokens.create({"name": "d", "scopes": ["read_repository"]})
    assert token.username.startswith("gitlab+deploy-token-")
    name = token.username.replace("+", "%2B")
    assert installation.git("ls-remote", installation.remote(project.path_with_namespace, name, token.token)).stdout
    denied = installation.git(
        "ls-remote", installation.remote(other.path_with_namespace, name, token.token), check=False
    )
    assert denied.returncode != 0


def test_large_pushes_arrive_whole(installation: Installation, project: Any, tmp_path: Path) -> None:
    folder = work_in(installation, project, tmp_path / "work")
    content = bytes(range(256)) * 20_000
    (folder / "large.bin").write_bytes(content)
    installation.git("add", ".", cwd=folder)
    installation.git("-c", "core.compression=0", "commit", "-qm", "large", cwd=folder)
    installation.git("-c", "core.compression=0", "push", "-q", "origin", "main", cwd=folder)
    copy = tmp_path / "copy"
    installation.git(
        "clone", "-q", "--depth", "1", installation.remote(project.path_with_namespace, "oauth2", TOKEN), str(copy)
    )
    assert (copy / "large.bin").read_bytes() == content


def test_commits_by_the_api_follow_the_same_rules(
    installation: Installation, client: gitlab.Gitlab, project: Any
) -> None:
    project.commits.create(
        {
            "branch": "main",
            "commit_message": "Source",
            "actions": [
                {"action": "create", "file_path": "a.txt", "content": "one\n"},
                {
                    "action": "create",
                    "file_path": "bin/b",
                    "content": base64.b64encode(b"\x00\x01").decode(),
                    "encoding": "base64",
                    "execute_filemode": True,
                },
            ],
        }
    )
    tree = {entry["path"]: entry["mode"] for entry in project.repository_tree(recursive=True, get_all=True)}
    assert tree["bin/b"] == "100755"
    assert project.files.raw("bin/b", ref="main") == b"\x00\x01"
    with pytest.raises(gitlab.GitlabCreateError, match="A file with this name already exists"):
        project.files.create({"file_path": "a.txt", "branch": "main", "content": "x", "commit_message": "again"})
    file = project.files.get("a.txt", ref="main")
    file.content = "two\n"
    file.save(branch="main", commit_message="change")
    assert project.files.raw("a.txt", ref="main") == b"two\n"
    file.delete(branch="main", commit_message="remove")
    with pytest.raises(gitlab.GitlabGetError, match="404 File Not Found"):
        project.files.get("a.txt", ref="main")
    assert [commit.title for commit in project.commits.list()] == ["remove", "change", "Source"]
    token = person(client, "carl", project, gitlab.const.AccessLevel.DEVELOPER)
    answer = installation.post(
        f"/api/v4/projects/{project.id}/repository/commits",
        headers={"PRIVATE-TOKEN": token},
        json={"branch": "main", "commit_message": "x", "actions": [{"action": "create", "file_path": "c"}]},
    )
    assert answer.status_code == 403
