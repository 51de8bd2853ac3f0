"""Branches, tags, and the protection of branches."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, branches, pushes
from gitlab_standin.api.representations import (
    show_commit,
)
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, invalid, not_found
from gitlab_standin.repository import GitError

# Branches and tags


@route("GET", "/projects/:id/repository/branches", "search regex")
def list_branches(context: Context) -> Any:
    project = context.project_for_reading()
    search = context.parameters.text("search") or ""
    refs = [ref for ref in context.site.repositories.refs(project["id"], "heads") if search in ref[0]]
    return context.page(refs, lambda ref: _show_branch(context, project, *ref))


@route("GET", "/projects/:id/repository/branches/:branch")
def one_branch(context: Context) -> dict[str, Any]:
    project = context.project_for_reading()
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
    if branches.is_protected(context.site, project, name) and not maintains:
        raise ApiError(405, {"message": "Protected branch can't be removed"})
    pushes.move_branch(context.site, project, context.user, name, sha, None, checked=True)


def _show_branch(context: Context, project: Row, name: str, sha: str) -> dict[str, Any]:
    site = context.site
    rules = branches.protection(site, project, name)
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
    project = context.project_for_reading()
    refs = context.site.repositories.refs(project["id"], "tags")
    return context.page(refs, lambda ref: _show_tag(context, project, *ref))


@route("GET", "/projects/:id/repository/tags/:tag")
def one_tag(context: Context) -> dict[str, Any]:
    project = context.project_for_reading()
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
    branches.protect(
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
