"""Runners as people manage them; how runners themselves talk is in runner_api."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, clock, vault
from gitlab_standin.api.representations import (
    runner_status,
    show_job,
    show_runner,
)
from gitlab_standin.api.routing import Context, find_group, find_project, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, missing, not_found
from gitlab_standin.site import Site

_TYPES = ("instance_type", "group_type", "project_type")
_VALUES = "description paused locked run_untagged tag_list access_level maximum_timeout maintenance_note active"


@route("POST", "/user/runners", f"runner_type group_id project_id {_VALUES}")
def create_runner(context: Context) -> dict[str, Any]:
    given, site = context.parameters, context.site
    actor = context.actor
    if actor.user is None or actor.job is not None:
        _ = context.user
    actor.need_scope("api", "create_runner")
    user = actor.user
    assert user is not None
    kind = given.choice("runner_type", _TYPES)
    if kind is None:
        raise missing("runner_type")
    namespace_id, project = None, None
    if kind == "instance_type" and not user["admin"]:
        raise forbidden()
    if kind == "group_type":
        group = find_group(site, str(_id(context, "group_id")))
        if group is None or accounts.level_in_namespace(site, user, group["id"]) < accounts.OWNER:
            raise forbidden()
        namespace_id = group["id"]
    if kind == "project_type":
        project = find_project(site, str(_id(context, "project_id")))
        if project is None or accounts.level_in_project(site, user, project) < accounts.MAINTAINER:
            raise forbidden()
    value = vault.new_token("glrt-")
    with context.db.transaction():
        runner_id = context.db.insert(
            "runners",
            runner_type=kind,
            namespace_id=namespace_id,
            digest=site.vault.digest(value),
            creator_id=user["id"],
            created_at=clock.now(),
            **_values(context, None),
        )
        if project is not None:
            context.db.insert("runner_projects", runner_id=runner_id, project_id=project["id"])
    return {"id": runner_id, "token": value, "token_expires_at": None}


@route("GET", "/runners", "type status paused tag_list version_prefix scope")
def list_own(context: Context) -> Any:
    user = context.user
    rows = [row for row in context.db.rows("select * from runners order by id desc") if _owns(context, user, row)]
    return context.page(_filtered(context, rows), lambda row: show_runner(context.site, row))


@route("GET", "/runners/all", "type status paused tag_list version_prefix scope")
def list_all(context: Context) -> Any:
    context.admin()
    rows = context.db.rows("select * from runners order by id desc")
    return context.page(_filtered(context, rows), lambda row: show_runner(context.site, row))


@route("GET", "/projects/:id/runners", "type status paused tag_list scope version_prefix")
def list_of_project(context: Context) -> Any:
    project = context.project(accounts.MAINTAINER)
    rows = [
        row for row in context.db.rows("select * from runners order by id desc") if serves(context.site, row, project)
    ]
    return context.page(_filtered(context, rows), lambda row: show_runner(context.site, row))


@route("GET", "/groups/:id/runners", "type status paused tag_list version_prefix")
def list_of_group(context: Context) -> Any:
    group = context.group(accounts.OWNER)
    above = {row["id"] for row in accounts.ancestors(context.site, group["id"])}
    rows = [
        row
        for row in context.db.rows("select * from runners order by id desc")
        if row["runner_type"] == "instance_type" or row["namespace_id"] in above
    ]
    return context.page(_filtered(context, rows), lambda row: show_runner(context.site, row))


@route("POST", "/projects/:id/runners", "runner_id")
def enable(context: Context) -> dict[str, Any]:
    project = context.project(accounts.MAINTAINER)
    row = context.db.row("select * from runners where id = ?", _id(context, "runner_id"))
    if row is None or not _owns(context, context.user, row):
        raise not_found("Runner")
    if row["runner_type"] != "project_type":
        raise forbidden("Runner is a " + row["runner_type"].replace("_type", "") + " runner")
    if row["locked"]:
        raise forbidden("Runner is locked")
    if context.db.row("select 1 from runner_projects where runner_id = ? and project_id = ?", row["id"], project["id"]):
        raise bad_request({"runner_id": ["has already been taken"]})
    context.db.insert("runner_projects", runner_id=row["id"], project_id=project["id"])
    context.site.queue_changed()
    return show_runner(context.site, row)


@route("DELETE", "/projects/:id/runners/:runner_id")
def disable(context: Context) -> None:
    project = context.project(accounts.MAINTAINER)
    runner_id = context.integer("runner_id", "Runner")
    count = context.db.number("select count(*) from runner_projects where runner_id = ?", runner_id)
    if not context.db.row(
        "select 1 from runner_projects where runner_id = ? and project_id = ?", runner_id, project["id"]
    ):
        raise not_found("Runner")
    if count == 1:
        raise forbidden("Only one project associated with the runner. Please remove the runner instead")
    context.db.execute("delete from runner_projects where runner_id = ? and project_id = ?", runner_id, project["id"])


@route("GET", "/runners/:runner_id")
def one_runner(context: Context) -> dict[str, Any]:
    return _details(context.site, _runner(context))


@route("PUT", "/runners/:runner_id", _VALUES)
def update_runner(context: Context) -> dict[str, Any]:
    row = _runner(context)
    context.db.update("runners", row["id"], **_values(context, row))
    context.site.queue_changed()
    return _details(context.site, _runner(context))


@route("DELETE", "/runners/:runner_id")
def delete_runner(context: Context) -> None:
    context.db.execute("delete from runners where id = ?", _runner(context)["id"])


@route("POST", "/runners/:runner_id/reset_authentication_token")
def reset_token(context: Context) -> dict[str, Any]:
    value = vault.new_token("glrt-")
    context.db.update("runners", _runner(context)["id"], digest=context.site.vault.digest(value))
    return {"token": value, "token_expires_at": None}


@route("GET", "/runners/:runner_id/jobs", "status")
def runner_jobs(context: Context) -> Any:
    rows = context.db.rows("select * from jobs where runner_id = ? order by id desc", _runner(context)["id"])
    status = context.parameters.text("status")
    rows = [row for row in rows if status is None or row["status"] == status]
    return context.page(rows, lambda row: show_job(context.site, row))


def serves(site: Site, runner: Row, project: Row) -> bool:
    """Whether a project is in a runner's scope."""
    kept = project["attributes"]
    match runner["runner_type"]:
        case "instance_type":
            return bool(kept.get("shared_runners_enabled", True))
        case "group_type":
            above = {row["id"] for row in accounts.ancestors(site, project["namespace_id"])}
            return runner["namespace_id"] in above and bool(kept.get("group_runners_enabled", True))
    return (
        site.db.row("select 1 from runner_projects where runner_id = ? and project_id = ?", runner["id"], project["id"])
        is not None
    )


def _id(context: Context, name: str) -> int:
    found = context.parameters.integer(name)
    if found is None:
        raise missing(name)
    return found


def _values(context: Context, row: Row | None) -> dict[str, Any]:
    """The runner's settings that the request gives, and defaults for a new one."""
    given = context.parameters
    values: dict[str, Any] = {}
    if row is None or "tag_list" in given:
        values["tag_list"] = given.strings("tag_list") or []
    for name, default in {"paused": False, "locked": False, "run_untagged": True}.items():
        if row is None or name in given:
            values[name] = int(given.boolean(name, default))
    if "active" in given:
        values["paused"] = int(not given.boolean("active"))
    if row is None or "access_level" in given:
        values["access_level"] = given.choice("access_level", ("not_protected", "ref_protected"), "not_protected")
    for name in ("description", "maintenance_note"):
        if name in given:
            values[name] = given.text(name)
    if "maximum_timeout" in given:
        timeout = given.integer("maximum_timeout")
        # The provider sends 0 for none.
        if timeout and timeout < 600:
            raise bad_request({"maximum_timeout": ["needs to be at least 10 minutes"]})
        values["maximum_timeout"] = timeout or None
    tags = values.get("tag_list", row["tag_list"] if row else [])
    untagged = values.get("run_untagged", row["run_untagged"] if row else 1)
    if not tags and not untagged:
        raise bad_request({"tags_list": ["can not be empty when runner is not allowed to pick untagged jobs"]})
    return values


def _owns(context: Context, user: Row, row: Row) -> bool:
    if user["admin"]:
        return True
    if row["runner_type"] == "group_type":
        return accounts.level_in_namespace(context.site, user, row["namespace_id"]) >= accounts.OWNER
    projects = context.db.rows(
        "select projects.* from projects join runner_projects on projects.id = project_id where runner_id = ?",
        row["id"],
    )
    return any(accounts.level_in_project(context.site, user, one) >= accounts.MAINTAINER for one in projects)


def _runner(context: Context) -> Row:
    user = context.user
    row = context.db.row("select * from runners where id = ?", context.integer("runner_id", "Runner"))
    if row is None:
        raise not_found("Runner")
    if not _owns(context, user, row):
        raise forbidden()
    return row


def _filtered(context: Context, rows: list[Row]) -> list[Row]:
    given = context.parameters
    kind, status = given.choice("type", _TYPES), given.text("status")
    if given.text("scope"):
        raise ApiError(400, {"error": "scope: deprecated, use type, status or paused"})
    tags = set(given.strings("tag_list") or [])
    paused = given.optional_boolean("paused")
    return [
        row
        for row in rows
        if (kind is None or row["runner_type"] == kind)
        and (status is None or runner_status(row) == status)
        and (paused is None or bool(row["paused"]) == paused)
        and tags <= set(row["tag_list"])
    ]


def _details(site: Site, row: Row) -> dict[str, Any]:
    projects = site.db.rows(
        "select projects.* from projects join runner_projects on projects.id = project_id where runner_id = ?",
        row["id"],
    )
    groups = site.db.rows("select * from namespaces where id = ?", row["namespace_id"])
    return {
        **show_runner(site, row),
        "tag_list": row["tag_list"],
        "run_untagged": bool(row["run_untagged"]),
        "locked": bool(row["locked"]),
        "access_level": row["access_level"],
        "maximum_timeout": row["maximum_timeout"],
        "maintenance_note": row["maintenance_note"],
        "contacted_at": row["contacted_at"],
        "version": row["version"],
        "revision": row["revision"],
        "platform": row["platform"],
        "architecture": row["architecture"],
        "projects": [
            {"id": one["id"], "name": one["name"], "path": one["path"], "path_with_namespace": one["full_path"]}
            for one in projects
        ],
        "groups": [
            {"id": one["id"], "name": one["name"], "web_url": f"{site.settings.url}/groups/{one['full_path']}"}
            for one in groups
        ],
    }
