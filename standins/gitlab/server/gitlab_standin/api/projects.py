"""Projects: making, changing, deleting."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, clock
from gitlab_standin.api import attributes
from gitlab_standin.api.groups import check_free, check_path, remove_orphaned_bots
from gitlab_standin.api.representations import show_user
from gitlab_standin.api.routing import Context, find_group, find_project, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, not_found, unsupported
from gitlab_standin.pushes import move_branch
from gitlab_standin.repository import FileChange
from gitlab_standin.site import Site

_PARAMETERS = " ".join(attributes.PROJECT)
_LISTING = (
    "search owned membership min_access_level visibility archived simple statistics with_shared include_subgroups "
    "search_namespaces starred topic"
)


@route("GET", "/projects", _LISTING)
def list_projects(context: Context) -> Any:
    return _listing(context, context.db.rows("select * from projects order by id desc"))


@route("GET", "/groups/:id/projects", _LISTING)
def list_group_projects(context: Context) -> Any:
    group = context.group()
    rows = context.db.rows("select * from projects order by id desc")
    deep = context.parameters.boolean("include_subgroups")
    inside = [
        row
        for row in rows
        if row["namespace_id"] == group["id"] or (deep and row["full_path"].startswith(f"{group['full_path']}/"))
    ]
    return _listing(context, inside)


def _listing(context: Context, rows: list[Row]) -> Any:
    given, actor = context.parameters, context.actor
    if actor.user is not None:
        _ = context.user
    least = accounts.OWNER if given.boolean("owned") else given.integer("min_access_level", 0) or 0
    if given.boolean("membership"):
        least = max(least, accounts.GUEST)
    search = (given.text("search") or "").lower()
    found = []
    for row in rows:
        text = row["full_path"] if given.boolean("search_namespaces") else f"{row['name']} {row['path']}"
        if search not in text.lower() or not accounts.can_see_project(context.site, actor, row):
            continue
        if least and accounts.level_in_project(context.site, actor.user, row) < least:
            continue
        if "visibility" in given and row["attributes"].get("visibility", "private") != given.text("visibility"):
            continue
        if "archived" in given and row["attributes"].get("archived", False) != given.boolean("archived"):
            continue
        found.append(row)
    if given.text("sort") == "asc":
        found.reverse()
    return context.page(found, lambda row: show_project(context.site, row, context.actor.user))


@route("GET", "/projects/:id", "license statistics with_custom_attributes")
def one_project(context: Context) -> dict[str, Any]:
    return show_project(context.site, context.project(public=True, jobs=True), context.actor.user)


@route(
    "POST",
    "/projects",
    f"name path namespace_id default_branch initialize_with_readme {_PARAMETERS}",
)
def create_project(context: Context) -> dict[str, Any]:
    user, given = context.user, context.parameters
    name, path = given.text("name"), given.text("path")
    if not name and not path:
        raise ApiError(400, {"error": "name, path are missing, at least one parameter must be provided"})
    path = path or (name or "").lower().replace(" ", "-")
    check_path(path)
    namespace = _namespace(context, user)
    full_path = f"{namespace['full_path']}/{path}"
    check_free(context.site, full_path)
    kept = attributes.read(given, attributes.PROJECT)
    _check_visibility(namespace, kept)
    branch = given.text("default_branch") or namespace["attributes"].get("default_branch") or "main"
    now = clock.now()
    with context.db.transaction():
        project_id = context.db.insert(
            "projects",
            namespace_id=namespace["id"],
            path=path,
            full_path=full_path,
            name=name or path,
            attributes=kept,
            default_branch=branch,
            creator_id=user["id"],
            created_at=now,
            last_activity_at=now,
        )
        if namespace["kind"] == "user":
            context.db.insert(
                "members", user_id=user["id"], project_id=project_id, access_level=accounts.OWNER, created_at=now
            )
    context.site.repositories.create(project_id, branch)
    project = find_project(context.site, str(project_id))
    assert project is not None
    if given.boolean("initialize_with_readme"):
        content = f"# {project['name']}\n".encode()
        author = (user["name"], user["email"])
        commit = context.site.repositories.commit(
            project_id, None, [FileChange("README.md", content)], "Initial commit\n", author
        )
        move_branch(context.site, project, user, branch, None, commit)
    return show_project(context.site, project, user)


@route("PUT", "/projects/:id", f"name path default_branch {_PARAMETERS}")
def update_project(context: Context) -> dict[str, Any]:
    project, given = context.project(accounts.MAINTAINER), context.parameters
    kept = {**project["attributes"], **attributes.read(given, attributes.PROJECT)}
    namespace = context.db.row("select * from namespaces where id = ?", project["namespace_id"])
    assert namespace is not None
    _check_visibility(namespace, kept)
    values: dict[str, Any] = {"attributes": kept, "name": given.text("name", project["name"])}
    path = given.text("path", project["path"]) or project["path"]
    if path != project["path"]:
        check_path(path)
        values |= {"path": path, "full_path": f"{namespace['full_path']}/{path}"}
        check_free(context.site, values["full_path"])
    branch = given.text("default_branch")
    if branch and branch != project["default_branch"]:
        repositories = context.site.repositories
        if not repositories.is_empty(project["id"]) and repositories.branch(project["id"], branch) is None:
            raise bad_request(f"Could not change HEAD: branch '{branch}' does not exist")
        repositories.git(project["id"], "symbolic-ref", "HEAD", f"refs/heads/{branch}")
        values["default_branch"] = branch
    context.db.update("projects", project["id"], **values)
    found = find_project(context.site, str(project["id"]))
    assert found is not None
    return show_project(context.site, found, context.actor.user)


@route("POST", "/projects/:id/archive")
def archive(context: Context) -> dict[str, Any]:
    return _archive(context, True)


@route("POST", "/projects/:id/unarchive")
def unarchive(context: Context) -> dict[str, Any]:
    return _archive(context, False)


def _archive(context: Context, archived: bool) -> dict[str, Any]:
    project = context.project(accounts.OWNER)
    project["attributes"]["archived"] = archived
    context.db.update("projects", project["id"], attributes=project["attributes"])
    return show_project(context.site, project, context.actor.user)


@route("DELETE", "/projects/:id", "permanently_remove full_path", status=202)
def delete_project(context: Context) -> dict[str, Any]:
    """At once and for good: GitLab itself may keep it for some days unless it is permanently removed."""
    project = context.project(accounts.OWNER)
    wanted = context.parameters.text("full_path")
    if wanted is not None and wanted != project["full_path"]:
        raise bad_request("`full_path` is incorrect. You must enter the complete path for the project.")
    with context.db.transaction():
        context.db.execute("delete from projects where id = ?", project["id"])
        context.db.execute(
            "delete from runners where runner_type = 'project_type' "
            "and id not in (select runner_id from runner_projects)"
        )
        remove_orphaned_bots(context.site)
    context.site.repositories.delete(project["id"])
    return {"message": "202 Accepted"}


def _namespace(context: Context, user: Row) -> Row:
    namespace_id = context.parameters.integer("namespace_id")
    if namespace_id is None:
        found = context.db.row("select * from namespaces where owner_id = ?", user["id"])
        if found is None:
            raise bad_request({"namespace": ["is not valid"]})
        return found
    found = context.db.row("select * from namespaces where id = ?", namespace_id)
    level = accounts.level_in_namespace(context.site, user, namespace_id) if found else 0
    if found is None or level == 0:
        raise bad_request({"namespace": ["is not valid"]})
    if level < accounts.DEVELOPER:
        raise forbidden()
    return found


def _check_visibility(namespace: Row, kept: dict[str, Any]) -> None:
    order = attributes.VISIBILITIES
    wanted = kept.get("visibility", "private")
    above = namespace["attributes"].get("visibility", "private") if namespace["kind"] == "group" else "public"
    if order.index(wanted) > order.index(above):
        raise bad_request(
            {"visibility_level": [f"{wanted} is not allowed since the parent group has a {above} visibility."]}
        )


@route("GET", "/namespaces", "search owned_only top_level_only")
def list_namespaces(context: Context) -> Any:
    user = context.user
    search = (context.parameters.text("search") or "").lower()
    rows = [
        row
        for row in context.db.rows("select * from namespaces order by full_path")
        if accounts.level_in_namespace(context.site, user, row["id"]) and search in row["full_path"].lower()
    ]
    return context.page(rows, lambda row: _show_namespace(context.site, row))


@route("GET", "/namespaces/:id")
def one_namespace(context: Context) -> dict[str, Any]:
    user = context.user
    group = find_group(context.site, context.segments["id"])
    row = group or context.db.row(
        "select * from namespaces where full_path = ? or cast(id as text) = ?",
        context.segments["id"],
        context.segments["id"],
    )
    if row is None or not accounts.level_in_namespace(context.site, user, row["id"]):
        raise not_found("Namespace")
    return _show_namespace(context.site, row)


def _show_namespace(site: Site, row: Row) -> dict[str, Any]:
    path = f"groups/{row['full_path']}" if row["kind"] == "group" else row["full_path"]
    return {
        "id": row["id"],
        "name": row["name"],
        "path": row["path"],
        "kind": row["kind"],
        "full_path": row["full_path"],
        "parent_id": row["parent_id"],
        "avatar_url": None,
        "web_url": f"{site.settings.url}/{path}",
    }


def clone_urls(site: Site, project: Row) -> tuple[str, str]:
    """The URLs to clone by HTTPS and by SSH."""
    settings = site.settings
    path = f"{project['full_path']}.git"
    if settings.public_ssh_port == 22:
        ssh = f"git@{settings.host}:{path}"
    else:
        ssh = f"ssh://git@{settings.host}:{settings.public_ssh_port}/{path}"
    return f"{settings.url}/{path}", ssh


def show_project(site: Site, project: Row, viewer: Row | None) -> dict[str, Any]:
    namespace = site.db.row("select * from namespaces where id = ?", project["namespace_id"])
    assert namespace is not None
    https, ssh = clone_urls(site, project)
    api = f"{site.settings.url}/api/v4/projects/{project['id']}"
    kept = project["attributes"]
    empty = site.repositories.is_empty(project["id"])
    names = [part["name"] for part in reversed(accounts.ancestors(site, namespace["id"]))]
    address = site.settings.registry_address
    shown: dict[str, Any] = {
        "id": project["id"],
        "name": project["name"],
        "name_with_namespace": " / ".join([*names, project["name"]]),
        "path": project["path"],
        "path_with_namespace": project["full_path"],
        "created_at": project["created_at"],
        "updated_at": project["last_activity_at"],
        "last_activity_at": project["last_activity_at"],
        **attributes.shown(kept, attributes.PROJECT),
        "default_branch": project["default_branch"],
        "tag_list": kept.get("topics", []),
        "ssh_url_to_repo": ssh,
        "http_url_to_repo": https,
        "web_url": f"{site.settings.url}/{project['full_path']}",
        "readme_url": None,
        "avatar_url": None,
        "forks_count": 0,
        "star_count": 0,
        "open_issues_count": 0,
        "empty_repo": empty,
        "namespace": _show_namespace(site, namespace),
        "creator_id": project["creator_id"],
        "import_status": "none",
        "import_url": None,
        "import_error": None,
        "repository_storage": "default",
        "container_registry_image_prefix": f"{address}/{project['full_path'].lower()}" if address else None,
        "runners_token": None,
        "shared_with_groups": [],
        "service_desk_address": None,
        "container_expiration_policy": None,
        "marked_for_deletion_at": None,
        "marked_for_deletion_on": None,
        "public_builds": kept.get("public_jobs", True),
        "permissions": _permissions(site, viewer, project),
        "_links": {
            "self": api,
            **{part: f"{api}/{part}" for part in ("issues", "merge_requests", "labels", "events", "members")},
            "repo_branches": f"{api}/repository/branches",
            "cluster_agents": f"{api}/cluster_agents",
        },
    }
    if namespace["kind"] == "user":
        shown["owner"] = show_user(site, accounts.get_user(site, namespace["owner_id"]))
    return shown


def _permissions(site: Site, viewer: Row | None, project: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"project_access": None, "group_access": None}
    if viewer is not None:
        own = site.db.row("select * from members where user_id = ? and project_id = ?", viewer["id"], project["id"])
        if own:
            found["project_access"] = {"access_level": own["access_level"], "notification_level": 3}
        for above in accounts.ancestors(site, project["namespace_id"]):
            member = site.db.row(
                "select * from members where user_id = ? and namespace_id = ?", viewer["id"], above["id"]
            )
            if member and found["group_access"] is None:
                found["group_access"] = {"access_level": member["access_level"], "notification_level": 3}
    return found


# What these would do has no counterpart here; a client is told so by name.
for _method, _path in (
    ("POST", "/projects/:id/fork"),
    ("PUT", "/projects/:id/transfer"),
    ("POST", "/projects/:id/hooks"),
):

    @route(_method, _path, "*")
    def _unsupported(context: Context) -> None:
        raise unsupported(f"{context.request.method} {context.request.url.path}")
