"""Repositories over the API: branches, protection, commits, files, trees, archives of neither."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from starlette.responses import Response

from gitlab_standin import accounts, pushes
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, invalid, missing, not_found
from gitlab_standin.repository import FileChange, GitError
from gitlab_standin.site import Site


def _readable(context: Context) -> Row:
    """The project, for who may read its code."""
    project = context.project(public=True, jobs=True)
    actor = context.actor
    if actor.job is None and not accounts.may(context.site, actor, project, accounts.REPORTER):
        visible = project["attributes"].get("visibility", "private") == "public"
        if not visible and not accounts.may(context.site, actor, project, accounts.GUEST, public=True):
            raise forbidden()
    return project


# Branches and tags


@route("GET", "/projects/:id/repository/branches", "search regex")
def list_branches(context: Context) -> Any:
    project = _readable(context)
    search = context.parameters.text("search") or ""
    refs = [ref for ref in context.site.repositories.refs(project["id"], "heads") if search in ref[0]]
    return context.page(refs, lambda ref: _show_branch(context, project, *ref))


@route("GET", "/projects/:id/repository/branches/:branch")
def one_branch(context: Context) -> dict[str, Any]:
    project = _readable(context)
    name = context.segments["branch"]
    sha = context.site.repositories.branch(project["id"], name)
    if sha is None:
        raise not_found("Branch")
    return _show_branch(context, project, name, sha)


@route("POST", "/projects/:id/repository/branches", "branch ref")
def create_branch(context: Context) -> dict[str, Any]:
    project = context.project(accounts.DEVELOPER)
    name, ref = context.parameters.required("branch"), context.parameters.required("ref")
    repositories = context.site.repositories
    if repositories.branch(project["id"], name):
        raise bad_request("Branch already exists")
    sha = repositories.resolve(project["id"], ref)
    if sha is None:
        raise bad_request(f"Invalid reference name: {ref}")
    try:
        repositories.git(project["id"], "check-ref-format", "--branch", name)
    except GitError as error:
        raise bad_request("Branch name is invalid") from error
    pushes.move_branch(context.site, project, context.user, name, None, sha)
    return _show_branch(context, project, name, sha)


@route("DELETE", "/projects/:id/repository/branches/:branch")
def delete_branch(context: Context) -> None:
    project = context.project(accounts.DEVELOPER)
    name = context.segments["branch"]
    sha = context.site.repositories.branch(project["id"], name)
    if sha is None:
        raise not_found("Branch")
    if name == project["default_branch"]:
        raise ApiError(405, {"message": "Cannot remove HEAD branch"})
    maintains = accounts.may(context.site, context.actor, project, accounts.MAINTAINER)
    if pushes.is_protected(context.site, project, name) and not maintains:
        raise ApiError(405, {"message": "Protected branch can't be removed"})
    pushes.move_branch(context.site, project, context.user, name, sha, None, checked=True)


def _show_branch(context: Context, project: Row, name: str, sha: str) -> dict[str, Any]:
    site = context.site
    rules = pushes.protection(site, project, name)
    level = accounts.level_in_project(site, context.actor.user, project)
    return {
        "name": name,
        "commit": show_commit(site, project, sha),
        "merged": False,
        "protected": bool(rules),
        "developers_can_push": any(e["access_level"] == 30 for rule in rules for e in rule["levels"]["push"]),
        "developers_can_merge": any(e["access_level"] == 30 for rule in rules for e in rule["levels"]["merge"]),
        "can_push": level >= (accounts.MAINTAINER if rules else accounts.DEVELOPER),
        "default": name == project["default_branch"],
        "web_url": f"{site.settings.url}/{project['full_path']}/-/tree/{name}",
    }


@route("GET", "/projects/:id/repository/tags", "search")
def list_tags(context: Context) -> Any:
    project = _readable(context)
    refs = context.site.repositories.refs(project["id"], "tags")
    return context.page(refs, lambda ref: _show_tag(context, project, *ref))


@route("GET", "/projects/:id/repository/tags/:tag")
def one_tag(context: Context) -> dict[str, Any]:
    project = _readable(context)
    for name, sha in context.site.repositories.refs(project["id"], "tags"):
        if name == context.segments["tag"]:
            return _show_tag(context, project, name, sha)
    raise not_found("Tag")


def _show_tag(context: Context, project: Row, name: str, sha: str) -> dict[str, Any]:
    commit = show_commit(context.site, project, sha)
    return {"name": name, "target": sha, "message": "", "commit": commit, "release": None, "protected": False}


# Protected branches

_PROTECTION = (
    "name push_access_level merge_access_level unprotect_access_level allow_force_push allowed_to_push "
    "allowed_to_merge allowed_to_unprotect code_owner_approval_required"
)


@route("GET", "/projects/:id/protected_branches", "search")
def list_protected(context: Context) -> Any:
    project = context.project(accounts.DEVELOPER)
    rows = context.db.rows("select * from protected_branches where project_id = ? order by name", project["id"])
    return context.page(rows, _show_protection)


@route("GET", "/projects/:id/protected_branches/:name")
def one_protected(context: Context) -> dict[str, Any]:
    return _show_protection(_rule(context, context.project(accounts.DEVELOPER)))


@route("POST", "/projects/:id/protected_branches", _PROTECTION)
def protect(context: Context) -> dict[str, Any]:
    project, given = context.project(accounts.MAINTAINER), context.parameters
    name = given.required("name")
    _refuse_premium(context)
    if context.db.row("select 1 from protected_branches where project_id = ? and name = ?", project["id"], name):
        raise ApiError(409, {"message": f"Protected branch '{name}' already exists"})
    pushes.protect(
        context.site,
        project,
        name,
        _levels(context, "push"),
        _levels(context, "merge"),
        given.boolean("allow_force_push"),
    )
    return _show_protection(_rule(context, project, name))


@route("PATCH", "/projects/:id/protected_branches/:name", _PROTECTION)
def change_protection(context: Context) -> dict[str, Any]:
    project, given = context.project(accounts.MAINTAINER), context.parameters
    rule = _rule(context, project)
    _refuse_premium(context)
    levels = dict(rule["levels"])
    for kind in ("push", "merge"):
        levels[kind] = _levels(context, kind) or levels[kind]
        for number, entry in enumerate(levels[kind], start=1):
            entry.setdefault("id", number)
    force = given.boolean("allow_force_push", bool(rule["allow_force_push"]))
    context.db.update("protected_branches", rule["id"], allow_force_push=int(force), levels=levels)
    return _show_protection(_rule(context, project))


@route("DELETE", "/projects/:id/protected_branches/:name")
def unprotect(context: Context) -> None:
    rule = _rule(context, context.project(accounts.MAINTAINER))
    context.db.execute("delete from protected_branches where id = ?", rule["id"])


def _refuse_premium(context: Context) -> None:
    given = context.parameters
    if given.boolean("code_owner_approval_required"):
        raise ApiError(400, {"error": "code_owner_approval_required: not available in GitLab CE"})
    for name in ("allowed_to_push", "allowed_to_merge", "allowed_to_unprotect"):
        for entry in given.objects(name) or []:
            if {"user_id", "group_id"} & {key for key, value in entry.items() if value}:
                raise ApiError(400, {"error": f"{name}: user_id and group_id are not available in GitLab CE"})


def _levels(context: Context, kind: str) -> list[dict[str, Any]] | None:
    given = context.parameters
    allowed = {accounts.NO_ACCESS, accounts.DEVELOPER, accounts.MAINTAINER, accounts.ADMIN}
    entries = given.objects(f"allowed_to_{kind}") or []
    found = [int(entry["access_level"]) for entry in entries if entry.get("access_level") is not None]
    single = given.integer(f"{kind}_access_level")
    if single is not None:
        found.append(single)
    if set(found) - allowed:
        raise invalid(f"{kind}_access_level")
    return [{"access_level": level} for level in found] or None


def _rule(context: Context, project: Row, name: str | None = None) -> Row:
    row = context.db.row(
        "select * from protected_branches where project_id = ? and name = ?",
        project["id"],
        name if name is not None else context.segments["name"],
    )
    if row is None:
        raise not_found()
    return row


_LEVEL_NAMES = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers", 60: "Instance admins"}


def _show_protection(rule: Row) -> dict[str, Any]:
    def show(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {
                "id": rule["id"] * 10 + entry["id"],
                "access_level": entry["access_level"],
                "access_level_description": _LEVEL_NAMES[entry["access_level"]],
                "user_id": None,
                "group_id": None,
                "deploy_key_id": None,
            }
            for entry in entries
        ]

    return {
        "id": rule["id"],
        "name": rule["name"],
        "push_access_levels": show(rule["levels"]["push"]),
        "merge_access_levels": show(rule["levels"]["merge"]),
        "unprotect_access_levels": show(rule["levels"]["unprotect"]),
        "allow_force_push": bool(rule["allow_force_push"]),
        "code_owner_approval_required": False,
        "inherited": False,
    }


# Commits


@route("GET", "/projects/:id/repository/commits", "ref_name path since until all with_stats first_parent")
def list_commits(context: Context) -> Any:
    project, given = _readable(context), context.parameters
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
    project = _readable(context)
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
        from gitlab_standin.api.pipelines import show_short

        shown["last_pipeline"] = show_short(context.site, pipeline)
    else:
        shown["last_pipeline"] = None
    return shown


@route("GET", "/projects/:id/repository/commits/:sha/statuses", "ref stage name all pipeline_id")
def commit_statuses(context: Context) -> Any:
    project = _readable(context)
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
    sha = _commit(context, project, given.required("branch"), given.required("commit_message"), actions)
    return show_commit(context.site, project, sha)


def _commit(context: Context, project: Row, branch: str, message: str, actions: list[dict[str, Any]]) -> str:
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


def show_commit(site: Site, project: Row, sha: str) -> dict[str, Any]:
    form = "%H%x00%P%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%B"
    fields = site.repositories.git(project["id"], "show", "--no-patch", f"--format={form}", sha).decode(
        errors="replace"
    )
    commit, parents, name, email, authored, committer, committer_email, committed, message = fields.split("\0", 8)
    message = message.rstrip("\n")
    return {
        "id": commit,
        "short_id": commit[:8],
        "created_at": committed,
        "parent_ids": parents.split(),
        "title": message.split("\n", 1)[0],
        "message": message,
        "author_name": name,
        "author_email": email,
        "authored_date": authored,
        "committer_name": committer,
        "committer_email": committer_email,
        "committed_date": committed,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{site.settings.url}/{project['full_path']}/-/commit/{commit}",
    }


# Files and trees


@route("GET", "/projects/:id/repository/tree", "path ref recursive")
def tree(context: Context) -> Any:
    project, given = _readable(context), context.parameters
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
    project = _readable(context)
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
    project = _readable(context)
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
    _commit(context, project, branch, given.required("commit_message"), [change])
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
