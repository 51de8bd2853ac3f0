"""Environments and deployments."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, clock
from gitlab_standin.api.representations import (
    show_job,
    show_user,
)
from gitlab_standin.api.routing import Context, route
from gitlab_standin.ci import progress
from gitlab_standin.database import Row
from gitlab_standin.errors import forbidden, not_found
from gitlab_standin.site import Site


@route("GET", "/projects/:id/environments", "name search states")
def list_environments(context: Context) -> Any:
    project, given = context.project(accounts.REPORTER, public=True), context.parameters
    rows = context.db.rows("select * from environments where project_id = ? order by name", project["id"])
    name, state, search = given.text("name"), given.text("states"), given.text("search") or ""
    rows = [
        row
        for row in rows
        if (name is None or row["name"] == name) and (state is None or row["state"] == state) and search in row["name"]
    ]
    return context.page(rows, lambda row: _show_environment(context.site, row))


@route("GET", "/projects/:id/environments/:environment_id")
def one_environment(context: Context) -> dict[str, Any]:
    row = _environment(context, accounts.REPORTER)
    last = context.db.row("select * from deployments where environment_id = ? order by id desc limit 1", row["id"])
    shown = _show_environment(context.site, row)
    return {**shown, "last_deployment": _show_deployment(context.site, last) if last else None}


@route("POST", "/projects/:id/environments/:environment_id/stop", "force", status=200)
def stop_environment(context: Context) -> dict[str, Any]:
    """Stop an environment, by its `on_stop` job where it has one."""
    row = _environment(context, accounts.DEVELOPER)
    stopping = None
    if row["on_stop"] and not context.parameters.boolean("force"):
        stopping = context.db.row(
            "select * from jobs where project_id = ? and name = ? and status = 'manual' order by id desc limit 1",
            row["project_id"],
            row["on_stop"],
        )
    if stopping:
        context.db.update("jobs", stopping["id"], status="pending", queued_at=clock.now())
        progress.advance(context.site, stopping["pipeline_id"])
    context.db.update("environments", row["id"], state="stopping" if stopping else "stopped", updated_at=clock.now())
    return _show_environment(context.site, _environment(context, accounts.DEVELOPER))


@route("DELETE", "/projects/:id/environments/:environment_id")
def delete_environment(context: Context) -> None:
    row = _environment(context, accounts.DEVELOPER)
    if row["state"] != "stopped":
        raise forbidden()
    context.db.execute("delete from environments where id = ?", row["id"])


@route("GET", "/projects/:id/deployments", "environment status updated_after updated_before")
def list_deployments(context: Context) -> Any:
    project, given = context.project(accounts.REPORTER, public=True), context.parameters
    rows = context.db.rows(
        "select deployments.*, environments.name as name from deployments join environments "
        "on environments.id = environment_id where deployments.project_id = ? order by deployments.id",
        project["id"],
    )
    name, status = given.text("environment"), given.text("status")
    rows = [row for row in rows if name in {None, row["name"]} and status in {None, row["status"]}]
    if given.text("sort") == "desc":
        rows.reverse()
    return context.page(rows, lambda row: _show_deployment(context.site, row))


@route("GET", "/projects/:id/deployments/:deployment_id")
def one_deployment(context: Context) -> dict[str, Any]:
    project = context.project(accounts.REPORTER, public=True)
    row = context.db.row(
        "select * from deployments where project_id = ? and id = ?",
        project["id"],
        context.integer("deployment_id", "Deployment"),
    )
    if row is None:
        raise not_found("Deployment")
    return _show_deployment(context.site, row)


def _environment(context: Context, level: int) -> Row:
    project = context.project(level, public=level == accounts.REPORTER)
    row = context.db.row(
        "select * from environments where project_id = ? and id = ?",
        project["id"],
        context.integer("environment_id", "Environment"),
    )
    if row is None:
        raise not_found("Environment")
    return row


def _show_environment(site: Site, row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "slug": row["slug"],
        "description": None,
        "external_url": row["external_url"],
        "state": row["state"],
        "tier": row["tier"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "auto_stop_at": None,
    }


def _show_deployment(site: Site, row: Row) -> dict[str, Any]:
    job = site.db.row("select * from jobs where id = ?", row["job_id"]) if row["job_id"] else None
    environment = site.db.row("select * from environments where id = ?", row["environment_id"])
    assert environment is not None
    user = accounts.find_user(site, row["user_id"])
    return {
        "id": row["id"],
        "iid": row["iid"],
        "ref": row["ref"],
        "sha": row["sha"],
        "status": row["status"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "user": show_user(site, user) if user else None,
        "environment": {
            "id": environment["id"],
            "name": environment["name"],
            "external_url": environment["external_url"],
        },
        "deployable": show_job(site, job) if job else None,
    }
