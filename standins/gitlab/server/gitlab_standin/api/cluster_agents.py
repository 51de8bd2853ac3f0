"""Agents for Kubernetes: registered with a project, each with tokens that it connects with."""

from __future__ import annotations

import re
from typing import Any

from gitlab_standin import accounts, clock, vault
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import bad_request, not_found

_BASE = "/projects/:id/cluster_agents"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MOST_TOKENS = 2


@route("GET", _BASE)
def listing(context: Context) -> Any:
    project = context.project(accounts.DEVELOPER)
    rows = context.db.rows("select * from cluster_agents where project_id = ? order by name", project["id"])
    return context.page(rows, lambda row: _show(context, row, project))


@route("POST", _BASE, "name")
def register(context: Context) -> dict[str, Any]:
    project, name = context.project(accounts.MAINTAINER), context.parameters.required("name")
    if len(name) > 63 or not _NAME.fullmatch(name):
        raise bad_request(
            "Name can contain only lowercase letters, digits, and '-', but cannot start or end with '-', "
            "and at most 63 characters"
        )
    if context.db.row("select 1 from cluster_agents where project_id = ? and name = ?", project["id"], name):
        raise bad_request("Name has already been taken")
    made = context.db.insert(
        "cluster_agents",
        project_id=project["id"],
        name=name,
        created_by_user_id=context.user["id"],
        created_at=clock.now(),
    )
    row = context.db.row("select * from cluster_agents where id = ?", made)
    assert row is not None
    return _show(context, row, project)


@route("GET", f"{_BASE}/:agent_id")
def one(context: Context) -> dict[str, Any]:
    agent, project = _agent(context, accounts.DEVELOPER)
    return _show(context, agent, project)


@route("DELETE", f"{_BASE}/:agent_id")
def delete(context: Context) -> None:
    agent, _ = _agent(context, accounts.MAINTAINER)
    context.db.execute("delete from cluster_agents where id = ?", agent["id"])


@route("GET", f"{_BASE}/:agent_id/tokens")
def list_tokens(context: Context) -> Any:
    agent, _ = _agent(context, accounts.DEVELOPER)
    return context.page(_active(context, agent), _show_token)


@route("POST", f"{_BASE}/:agent_id/tokens", "name description")
def make_token(context: Context) -> dict[str, Any]:
    agent, _ = _agent(context, accounts.MAINTAINER)
    given = context.parameters
    with context.db.transaction():
        if len(_active(context, agent)) >= _MOST_TOKENS:
            raise bad_request("An agent can have only two active tokens at a time")
        value = vault.new_token("glagent-") + vault.new_token("")
        made = context.db.insert(
            "cluster_agent_tokens",
            agent_id=agent["id"],
            name=given.required("name"),
            description=given.text("description"),
            digest=context.site.vault.digest(value),
            status="active",
            created_by_user_id=context.user["id"],
            created_at=clock.now(),
        )
    row = context.db.row("select * from cluster_agent_tokens where id = ?", made)
    assert row is not None
    return {**_show_token(row), "last_used_at": None, "token": value}


@route("GET", f"{_BASE}/:agent_id/tokens/:token_id")
def one_token(context: Context) -> dict[str, Any]:
    row = _token(context, accounts.DEVELOPER)
    return {**_show_token(row), "last_used_at": row["last_used_at"]}


@route("DELETE", f"{_BASE}/:agent_id/tokens/:token_id")
def revoke_token(context: Context) -> None:
    context.db.update("cluster_agent_tokens", _token(context, accounts.MAINTAINER)["id"], status="revoked")


def _agent(context: Context, level: int) -> tuple[Row, Row]:
    project = context.project(level)
    row = context.db.row(
        "select * from cluster_agents where project_id = ? and id = ?",
        project["id"],
        context.integer("agent_id", "Agent"),
    )
    if row is None:
        raise not_found()
    return row, project


def _active(context: Context, agent: Row) -> list[Row]:
    return context.db.rows(
        "select * from cluster_agent_tokens where agent_id = ? and status = 'active' order by id", agent["id"]
    )


def _token(context: Context, level: int) -> Row:
    agent, _ = _agent(context, level)
    number = context.integer("token_id", "Token")
    found = [row for row in _active(context, agent) if row["id"] == number]
    if not found:
        raise not_found()
    return found[0]


def _show(context: Context, row: Row, project: Row) -> dict[str, Any]:
    namespace = context.db.row("select * from namespaces where id = ?", project["namespace_id"])
    return {
        "id": row["id"],
        "name": row["name"],
        "config_project": {
            "id": project["id"],
            "description": project["attributes"].get("description"),
            "name": project["name"],
            "name_with_namespace": f"{namespace['name'] if namespace else ''} / {project['name']}",
            "path": project["path"],
            "path_with_namespace": project["full_path"],
            "created_at": project["created_at"],
        },
        "created_at": row["created_at"],
        "created_by_user_id": row["created_by_user_id"],
    }


def _show_token(row: Row) -> dict[str, Any]:
    return {
        name: row[name]
        for name in ("id", "name", "description", "agent_id", "status", "created_at", "created_by_user_id")
    }
