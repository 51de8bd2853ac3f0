"""Files and trees of a repository."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from starlette.responses import Response

from gitlab_standin import accounts
from gitlab_standin.api.commits import commit_actions
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import not_found
from gitlab_standin.repository import GitError


@route("GET", "/projects/:id/repository/tree", "path ref recursive")
def tree(context: Context) -> Any:
    project, given = context.project_for_reading(), context.parameters
    repositories = context.site.repositories
    sha = repositories.resolve(project["id"], given.text("ref") or project["default_branch"])
    if sha is None:
        raise not_found("Tree")
    path = (given.text("path") or "").strip("/")
    flags = ["-r", "-t"] if given.boolean("recursive") else []
    try:
        listing = repositories.git(project["id"], "ls-tree", "-z", *flags, f"{sha}:{path}").decode()
    except GitError as error:
        raise not_found("invalid revision or path") from error
    entries = []
    for entry in filter(None, listing.split("\0")):
        meta, _, name = entry.partition("\t")
        mode, kind, blob = meta.split()
        full = f"{path}/{name}" if path else name
        entries.append({"id": blob, "name": name.rpartition("/")[2], "type": kind, "path": full, "mode": mode})
    return context.page(entries, lambda entry: entry)


@route("GET", "/projects/:id/repository/files/:file_path", "ref")
def one_file(context: Context) -> dict[str, Any]:
    project = context.project_for_reading()
    content, blob, mode, sha, ref = _file(context, project)
    path = context.segments["file_path"]
    last = context.site.repositories.git(project["id"], "rev-list", "-1", sha, "--", path).decode().strip()
    return {
        "file_name": path.rpartition("/")[2],
        "file_path": path,
        "size": len(content),
        "encoding": "base64",
        "content": base64.b64encode(content).decode(),
        "content_sha256": hashlib.sha256(content).hexdigest(),
        "ref": ref,
        "blob_id": blob,
        "commit_id": sha,
        "last_commit_id": last,
        "execute_filemode": mode == "100755",
    }


@route("GET", "/projects/:id/repository/files/:file_path/raw", "ref lfs")
def raw_file(context: Context) -> Response:
    project = context.project_for_reading()
    content = _file(context, project)[0]
    return Response(content, media_type="text/plain; charset=utf-8")


_FILE = "branch start_branch encoding author_email author_name content commit_message execute_filemode last_commit_id"


def _change_file(context: Context, action: str) -> dict[str, Any]:
    project, given = context.project(accounts.DEVELOPER), context.parameters
    branch, path = given.required("branch"), context.segments["file_path"]
    change: dict[str, Any] = {"action": action, "file_path": path}
    for name in ("content", "encoding", "execute_filemode"):
        if name in given:
            change[name] = given.values[name]
    commit_actions(context, project, branch, given.required("commit_message"), [change])
    return {"file_path": path, "branch": branch}


@route("POST", "/projects/:id/repository/files/:file_path", _FILE)
def create_file(context: Context) -> dict[str, Any]:
    return _change_file(context, "create")


@route("PUT", "/projects/:id/repository/files/:file_path", _FILE)
def update_file(context: Context) -> dict[str, Any]:
    return _change_file(context, "update")


@route("DELETE", "/projects/:id/repository/files/:file_path", _FILE)
def delete_file(context: Context) -> None:
    _change_file(context, "delete")


def _file(context: Context, project: Row) -> tuple[bytes, str, str, str, str]:
    repositories = context.site.repositories
    ref = context.parameters.text("ref") or "HEAD"
    ref = project["default_branch"] if ref == "HEAD" else ref
    sha = repositories.resolve(project["id"], ref)
    if sha is None:
        raise not_found("Commit")
    found = repositories.read(project["id"], sha, context.segments["file_path"])
    if found is None:
        raise not_found("File")
    return (*found, sha, ref)
