"""Commits, and making one by a list of actions."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from gitlab_standin import accounts, pushes
from gitlab_standin.api.representations import (
    show_commit,
    show_pipeline_briefly,
)
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import bad_request, invalid, missing, not_found
from gitlab_standin.repository import FileChange


@route("GET", "/projects/:id/repository/commits", "ref_name path since until all with_stats first_parent")
def list_commits(context: Context) -> Any:
    project, given = context.project_for_reading(), context.parameters
    repositories = context.site.repositories
    ref = given.text("ref_name") or project["default_branch"]
    sha = repositories.resolve(project["id"], ref)
    if sha is None:
        if repositories.is_empty(project["id"]):
            return context.page([], lambda commit: commit)
        raise not_found("Ref")
    arguments = [f"--{name}={given.text(name)}" for name in ("since", "until") if given.text(name)]
    if given.boolean("all"):
        arguments.append("--all")
    path = given.text("path")
    listing = repositories.git(project["id"], "rev-list", *arguments, sha, *(["--", path] if path else [])).decode()
    return context.page(listing.split(), lambda commit: show_commit(context.site, project, commit))


@route("GET", "/projects/:id/repository/commits/:sha", "stats")
def one_commit(context: Context) -> dict[str, Any]:
    project = context.project_for_reading()
    sha = context.site.repositories.resolve(project["id"], context.segments["sha"])
    if sha is None:
        raise not_found("Commit")
    shown = show_commit(context.site, project, sha)
    pipeline = context.db.row(
        "select * from pipelines where project_id = ? and sha = ? order by id desc", project["id"], sha
    )
    shown["status"] = pipeline["status"] if pipeline else None
    shown["project_id"] = project["id"]
    if pipeline:
        shown["last_pipeline"] = show_pipeline_briefly(context.site, pipeline)
    else:
        shown["last_pipeline"] = None
    return shown


@route("GET", "/projects/:id/repository/commits/:sha/statuses", "ref stage name all pipeline_id")
def commit_statuses(context: Context) -> Any:
    project = context.project_for_reading()
    sha = context.site.repositories.resolve(project["id"], context.segments["sha"])
    if sha is None:
        raise not_found("Commit")
    rows = context.db.rows(
        "select jobs.*, pipelines.ref as ref from jobs join pipelines on pipelines.id = pipeline_id "
        "where pipelines.project_id = ? and sha = ? and retried = 0 order by jobs.id",
        project["id"],
        sha,
    )
    return context.page(
        rows,
        lambda row: {
            "id": row["id"],
            "sha": sha,
            "ref": row["ref"],
            "status": row["status"],
            "name": row["name"],
            "allow_failure": bool(row["allow_failure"]),
            "created_at": row["created_at"],
            "started_at": row["started_at"],
            "finished_at": row["finished_at"],
            "pipeline_id": row["pipeline_id"],
        },
    )


@route(
    "POST",
    "/projects/:id/repository/commits",
    "branch commit_message actions start_branch start_sha author_name author_email force stats",
)
def create_commit(context: Context) -> dict[str, Any]:
    project, given = context.project(accounts.DEVELOPER), context.parameters
    actions = given.objects("actions")
    if not actions:
        raise missing("actions")
    sha = commit_actions(context, project, given.required("branch"), given.required("commit_message"), actions)
    return show_commit(context.site, project, sha)


def commit_actions(context: Context, project: Row, branch: str, message: str, actions: list[dict[str, Any]]) -> str:
    """Make a commit of actions and move the branch."""
    given, user, repositories = context.parameters, context.user, context.site.repositories
    tip = repositories.branch(project["id"], branch)
    start = given.text("start_sha") or given.text("start_branch")
    parent = tip
    if start and (tip is None or given.boolean("force")):
        parent = repositories.resolve(project["id"], start)
        if parent is None:
            raise bad_request(f"You can only create or edit files when you are on a branch: {start} does not exist")
    elif start and start != branch:
        raise bad_request(f"A branch called '{branch}' already exists. Switch to that branch in order to make changes")
    if parent is None and not repositories.is_empty(project["id"]):
        raise bad_request("You can only create or edit files when you are on a branch")
    changes = [change for action in actions for change in _changes(context, project, parent, action)]
    author = (given.text("author_name") or user["name"], given.text("author_email") or user["email"])
    sha = repositories.commit(project["id"], parent, changes, message, author)
    pushes.move_branch(context.site, project, user, branch, tip, sha)
    return sha


def _changes(context: Context, project: Row, parent: str | None, action: dict[str, Any]) -> list[FileChange]:
    kind, path = action.get("action"), str(action.get("file_path") or "")
    known = {"action", "file_path", "previous_path", "content", "encoding", "last_commit_id", "execute_filemode"}
    if set(action) - known:
        raise invalid(f"actions[{', '.join(sorted(set(action) - known))}]", "is not supported by the lab's GitLab")
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or ".git" in parts or "" in parts:
        raise bad_request("A file with this name is not allowed" if path else "You must provide a file path")
    there = context.site.repositories.read(project["id"], parent, path) if parent else None
    executable = action.get("execute_filemode")
    content = _content(action)
    match kind:
        case "create":
            if there is not None:
                raise bad_request("A file with this name already exists")
            return [FileChange(path, content or b"", bool(executable))]
        case "update":
            if there is None:
                raise bad_request("A file with this name doesn't exist")
            return [FileChange(path, content or b"", None if executable is None else bool(executable))]
        case "delete":
            if there is None:
                raise bad_request("A file with this name doesn't exist")
            return [FileChange(path, None)]
        case "chmod":
            if there is None:
                raise bad_request("A file with this name doesn't exist")
            return [FileChange(path, there[0], bool(executable))]
        case "move":
            previous = str(action.get("previous_path") or "")
            old = context.site.repositories.read(project["id"], parent, previous) if parent else None
            if old is None:
                raise bad_request("A file with this name doesn't exist")
            moved = FileChange(path, old[0] if content is None else content, old[2] == "100755")
            return [FileChange(previous, None), moved]
    raise invalid("actions[action]")


def _content(action: dict[str, Any]) -> bytes | None:
    content = action.get("content")
    if content is None:
        return None
    match action.get("encoding") or "text":
        case "text":
            return str(content).encode()
        case "base64":
            try:
                return base64.b64decode(str(content), validate=False)
            except binascii.Error as error:
                raise invalid("actions[content]", "is no base64") from error
    raise invalid("actions[encoding]")
