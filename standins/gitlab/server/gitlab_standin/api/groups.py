"""Groups and their members."""

from __future__ import annotations

import re
from typing import Any

from gitlab_standin import accounts, clock
from gitlab_standin.api import attributes
from gitlab_standin.api.representations import show_user
from gitlab_standin.api.routing import Context, find_group, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, missing, not_found
from gitlab_standin.site import Site

_PATH = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*")
_RESERVED = {"api", "admin", "help", "users", "explore", "groups", "projects", "jwt", "health_check", "-"}
_PARAMETERS = " ".join(attributes.GROUP)


@route("GET", "/groups", "search owned min_access_level top_level_only all_available statistics visibility skip_groups")
def list_groups(context: Context) -> Any:
    user = context.user
    given = context.parameters
    rows = context.db.rows("select * from namespaces where kind = 'group' order by full_path")
    least = accounts.OWNER if given.boolean("owned") else given.integer("min_access_level", 0) or 0
    found = []
    for row in rows:
        level = accounts.level_in_namespace(context.site, user, row["id"])
        visible = level or row["attributes"].get("visibility", "private") != "private"
        if not visible or level < least:
            continue
        if given.boolean("top_level_only") and row["parent_id"] is not None:
            continue
        if (given.text("search") or "").lower() in row["full_path"].lower():
            found.append(row)
    return context.page(found, lambda row: show_group(context.site, row))


@route("GET", "/groups/:id", "with_projects with_custom_attributes")
def one_group(context: Context) -> dict[str, Any]:
    return show_group(context.site, context.group())


@route("GET", "/groups/:id/subgroups", "search")
def list_subgroups(context: Context) -> Any:
    group = context.group()
    rows = context.db.rows("select * from namespaces where parent_id = ? order by full_path", group["id"])
    return context.page(rows, lambda row: show_group(context.site, row))


@route("POST", "/groups", f"name path parent_id {_PARAMETERS}")
def create_group(context: Context) -> dict[str, Any]:
    user, given = context.user, context.parameters
    name, path = given.required("name"), given.required("path")
    parent: Row | None = None
    if given.integer("parent_id"):
        parent = find_group(context.site, str(given.integer("parent_id")))
        if parent is None:
            raise not_found("Group")
        if accounts.level_in_namespace(context.site, user, parent["id"]) < accounts.MAINTAINER:
            raise forbidden()
    check_path(path)
    full_path = f"{parent['full_path']}/{path}" if parent else path
    check_free(context.site, full_path, "Failed to save group ")
    kept = attributes.read(given, attributes.GROUP)
    with context.db.transaction():
        group_id = context.db.insert(
            "namespaces",
            kind="group",
            parent_id=parent["id"] if parent else None,
            path=path,
            full_path=full_path,
            name=name,
            attributes=kept,
            created_at=clock.now(),
        )
        context.db.insert(
            "members",
            user_id=user["id"],
            namespace_id=group_id,
            access_level=accounts.OWNER,
            created_at=clock.now(),
        )
    row = find_group(context.site, str(group_id))
    assert row is not None
    return show_group(context.site, row)


@route("PUT", "/groups/:id", f"name path {_PARAMETERS}")
def update_group(context: Context) -> dict[str, Any]:
    group, given = context.group(accounts.OWNER), context.parameters
    kept = {**group["attributes"], **attributes.read(given, attributes.GROUP)}
    path = given.text("path", group["path"]) or group["path"]
    with context.db.transaction():
        context.db.update("namespaces", group["id"], name=given.text("name", group["name"]), attributes=kept)
        if path != group["path"]:
            check_path(path)
            prefix = group["full_path"].rpartition("/")[0]
            full_path = f"{prefix}/{path}" if prefix else path
            check_free(context.site, full_path, "Failed to save group ")
            context.db.update("namespaces", group["id"], path=path)
            _move(context.site, group["full_path"], full_path)
    row = find_group(context.site, str(group["id"]))
    assert row is not None
    return show_group(context.site, row)


@route("DELETE", "/groups/:id", "permanently_remove full_path", status=202)
def delete_group(context: Context) -> dict[str, Any]:
    """At once and for good: GitLab itself may keep it for some days unless it is permanently removed."""
    group = context.group(accounts.OWNER)
    if context.parameters.boolean("permanently_remove") and group["parent_id"] is None:
        raise bad_request("`permanently_remove` option is only available for subgroups.")
    inside = context.db.rows("select id from projects where full_path like ? || '/%'", group["full_path"])
    with context.db.transaction():
        context.db.execute("delete from namespaces where id = ?", group["id"])
        remove_orphaned_bots(context.site)
    for project in inside:
        context.site.repositories.delete(project["id"])
    return {"message": "202 Accepted"}


def _move(site: Site, old: str, new: str) -> None:
    """Give everything below a group its new path."""
    for table in ("namespaces", "projects"):
        for row in site.db.rows(f"select id, full_path from {table}"):
            if row["full_path"] == old or row["full_path"].startswith(f"{old}/"):
                site.db.update(table, row["id"], full_path=new + row["full_path"][len(old) :])


def check_path(path: str) -> None:
    """Raises 400 for a path that GitLab would not take."""
    fine = _PATH.fullmatch(path) and not path.endswith((".", ".git", ".atom")) and path.lower() not in _RESERVED
    if not fine:
        raise bad_request(
            {
                "path": [
                    "can only include non-accented letters, digits, '_', '-' and '.'. It must not start with '-', "
                    "'_', or '.', nor end with '-', '_', '.', '.git', or '.atom'."
                ]
            }
        )


def check_free(site: Site, full_path: str, prefix: str = "") -> None:
    """Raises 400 where a path is taken by another group, user or project."""
    for table in ("namespaces", "projects"):
        if site.db.row(f"select 1 from {table} where full_path = ?", full_path):
            if prefix:
                raise bad_request(f'{prefix}{{:path=>["has already been taken"]}}')
            raise bad_request(
                {
                    "project_namespace.name": ["has already been taken"],
                    "path": ["has already been taken"],
                    "name": ["has already been taken"],
                }
            )


def remove_orphaned_bots(site: Site) -> None:
    """Bots of project and group tokens go with what they were made for."""
    site.db.execute("delete from users where bot = 1 and id not in (select user_id from members)")


def show_group(site: Site, row: Row) -> dict[str, Any]:
    names = [part["name"] for part in reversed(accounts.ancestors(site, row["id"]))]
    return {
        "id": row["id"],
        "web_url": f"{site.settings.url}/groups/{row['full_path']}",
        "name": row["name"],
        "path": row["path"],
        **attributes.shown(row["attributes"], attributes.GROUP),
        "emails_disabled": not row["attributes"].get("emails_enabled", True),
        "avatar_url": None,
        "full_name": " / ".join(names),
        "full_path": row["full_path"],
        "created_at": row["created_at"],
        "parent_id": row["parent_id"],
        "organization_id": 1,
        "archived": False,
        "marked_for_deletion_on": None,
        "ldap_cn": None,
        "ldap_access": None,
        "shared_with_groups": [],
        "projects": [],
        "shared_projects": [],
        "default_branch_protection_defaults": {
            "allowed_to_push": [{"access_level": accounts.MAINTAINER}],
            "allow_force_push": False,
            "allowed_to_merge": [{"access_level": accounts.MAINTAINER}],
        },
        "enabled_git_access_protocol": "all",
        "runners_token": None,
    }


# Members, of groups and projects alike


def _place(context: Context, kind: str, level: int) -> tuple[str, Row]:
    if kind == "projects":
        return "project_id", context.project(level)
    return "namespace_id", context.group(level)


def _register(kind: str) -> None:
    @route("GET", f"/{kind}/:id/members", "query user_ids")
    def list_members(context: Context) -> Any:
        column, place = _place(context, kind, accounts.GUEST)
        rows = context.db.rows(f"select * from members where {column} = ? order by id", place["id"])
        return context.page(rows, lambda row: _show(context.site, row))

    @route("GET", f"/{kind}/:id/members/:user_id")
    def one_member(context: Context) -> dict[str, Any]:
        return _show(context.site, _member(context, kind, accounts.GUEST)[0])

    @route("POST", f"/{kind}/:id/members", "user_id username access_level expires_at member_role_id")
    def add_member(context: Context) -> dict[str, Any]:
        column, place = _place(context, kind, accounts.MAINTAINER if kind == "projects" else accounts.OWNER)
        given = context.parameters
        user_id = given.integer("user_id")
        if user_id is None:
            raise missing("user_id")
        user = accounts.get_user(context.site, user_id)
        level = _level(context)
        if context.db.row(f"select 1 from members where {column} = ? and user_id = ?", place["id"], user["id"]):
            raise ApiError(409, {"message": "Member already exists"})
        member_id = context.db.insert(
            "members",
            user_id=user["id"],
            access_level=level,
            expires_at=given.text("expires_at"),
            created_at=clock.now(),
            **{column: place["id"]},
        )
        row = context.db.row("select * from members where id = ?", member_id)
        assert row is not None
        return _show(context.site, row)

    @route("PUT", f"/{kind}/:id/members/:user_id", "access_level expires_at member_role_id")
    def update_member(context: Context) -> dict[str, Any]:
        row, _ = _member(context, kind, accounts.MAINTAINER if kind == "projects" else accounts.OWNER)
        values = {"access_level": _level(context)}
        if "expires_at" in context.parameters:
            values["expires_at"] = context.parameters.text("expires_at")  # type: ignore[assignment]
        context.db.update("members", row["id"], **values)
        return _show(context.site, {**row, **values})

    @route("DELETE", f"/{kind}/:id/members/:user_id", "skip_subresources unassign_issuables")
    def remove_member(context: Context) -> None:
        row, _ = _member(context, kind, accounts.MAINTAINER if kind == "projects" else accounts.OWNER)
        context.db.execute("delete from members where id = ?", row["id"])

    @route("GET", f"/{kind}/:id/members/all", "query user_ids state")
    def list_all_members(context: Context) -> Any:
        column, place = _place(context, kind, accounts.GUEST)
        rows = context.db.rows(f"select * from members where {column} = ?", place["id"])
        start = place["namespace_id"] if kind == "projects" else place["parent_id"]
        for above in accounts.ancestors(context.site, start):
            rows += context.db.rows("select * from members where namespace_id = ?", above["id"])
        best: dict[int, Row] = {}
        for row in rows:
            if row["user_id"] not in best or best[row["user_id"]]["access_level"] < row["access_level"]:
                best[row["user_id"]] = row
        return context.page(list(best.values()), lambda row: _show(context.site, row))


def _level(context: Context) -> int:
    level = context.parameters.integer("access_level")
    if level is None:
        raise missing("access_level")
    if level not in {*accounts.LEVELS, accounts.OWNER}:
        raise ApiError(400, {"error": "access_level does not have a valid value"})
    return level


def _member(context: Context, kind: str, level: int) -> tuple[Row, Row]:
    column, place = _place(context, kind, level)
    user_id = context.integer("user_id", "Member")
    row = context.db.row(f"select * from members where {column} = ? and user_id = ?", place["id"], user_id)
    if row is None:
        raise not_found()
    return row, place


def _show(site: Site, row: Row) -> dict[str, Any]:
    user = accounts.get_user(site, row["user_id"])
    return {
        **show_user(site, user),
        "access_level": row["access_level"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "membership_state": "active",
        "member_role": None,
    }


_register("groups")
_register("projects")
