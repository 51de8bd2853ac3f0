"""Users."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, vault
from gitlab_standin.api.representations import (
    show_user,
)
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, unauthorized
from gitlab_standin.site import Site


@route("GET", "/user")
def current_user(context: Context) -> dict[str, Any]:
    actor = context.actor
    if actor.user is None or actor.job is not None:
        raise unauthorized()
    actor.need_scope("api", "read_api", "read_user")
    return {**show_user(context.site, actor.user), "is_admin": bool(actor.user["admin"]), "email": actor.user["email"]}


@route("GET", "/users", "username search active blocked external")
def list_users(context: Context) -> Any:
    user = context.user
    rows = context.db.rows("select * from users order by id desc")
    wanted = context.parameters.text("username")
    search = (context.parameters.text("search") or "").lower()
    rows = [row for row in rows if wanted is None or row["username"].lower() == wanted.lower()]
    rows = [row for row in rows if search in f"{row['username']} {row['name']} {row['email']}".lower()]
    if context.parameters.boolean("active"):
        rows = [row for row in rows if row["state"] == "active"]
    if context.parameters.boolean("blocked"):
        rows = [row for row in rows if row["state"] == "blocked"]
    return context.page(rows, lambda row: _as_seen_by(context.site, row, user))


@route("GET", "/users/:user_id")
def one_user(context: Context) -> dict[str, Any]:
    viewer = context.user
    return _as_seen_by(context.site, context.named_user(), viewer)


_USER_PARAMETERS = (
    "username name email password reset_password force_random_password skip_confirmation admin can_create_group "
    "projects_limit external note skip_reconfirmation"
)


@route("POST", "/users", _USER_PARAMETERS)
def create_user(context: Context) -> dict[str, Any]:
    context.admin()
    given = context.parameters
    username, email = given.required("username"), given.required("email")
    name = given.required("name")
    password = given.text("password")
    if password is None and not (given.boolean("reset_password") or given.boolean("force_random_password")):
        raise ApiError(
            400,
            {
                "error": "password, reset_password, force_random_password are missing, "
                "at least one parameter must be provided"
            },
        )
    if password is not None and len(password) < 8:
        raise bad_request({"password": ["is too short (minimum is 8 characters)"]})
    if context.db.row("select 1 from users where username = ?", username) or context.db.row(
        "select 1 from namespaces where full_path = ?", username
    ):
        raise ApiError(409, {"message": "Username has already been taken"})
    if context.db.row("select 1 from users where email = ?", email):
        raise ApiError(409, {"message": "Email has already been taken"})
    made = accounts.make_user(
        context.site,
        username,
        name,
        email,
        password=vault.hash_password(password or vault.new_token("")),
        admin=int(given.boolean("admin")),
    )
    return _as_seen_by(context.site, made, context.user)


@route("PUT", "/users/:user_id", _USER_PARAMETERS)
def update_user(context: Context) -> dict[str, Any]:
    context.admin()
    user, given = context.named_user(), context.parameters
    values: dict[str, Any] = {}
    for name in ("name", "email"):
        if name in given:
            values[name] = given.required(name)
    if given.text("username", user["username"]) != user["username"]:
        raise ApiError(501, {"message": "501 renaming a user is not supported by the lab's GitLab"})
    if "password" in given:
        values["password"] = vault.hash_password(given.required("password"))
    if "admin" in given:
        values["admin"] = int(given.boolean("admin"))
    context.db.update("users", user["id"], **values)
    return _as_seen_by(context.site, accounts.get_user(context.site, user["id"]), context.user)


@route("DELETE", "/users/:user_id", "hard_delete")
def delete_user(context: Context) -> None:
    context.admin()
    user = context.named_user()
    if user["username"] == "root":
        raise ApiError(409, {"message": "User cannot be removed"})
    namespaces = context.db.rows("select id from namespaces where owner_id = ?", user["id"])
    for namespace in namespaces:
        for project in context.db.rows("select id from projects where namespace_id = ?", namespace["id"]):
            context.site.repositories.delete(project["id"])
    context.db.execute("delete from users where id = ?", user["id"])


@route("POST", "/users/:user_id/block")
def block_user(context: Context) -> bool:
    context.admin()
    context.db.update("users", context.named_user()["id"], state="blocked")
    return True


@route("POST", "/users/:user_id/unblock")
def unblock_user(context: Context) -> bool:
    context.admin()
    context.db.update("users", context.named_user()["id"], state="active")
    return True


def _as_seen_by(site: Site, user: Row, viewer: Row) -> dict[str, Any]:
    shown = show_user(site, user)
    if viewer["admin"]:
        namespace = site.db.row("select id from namespaces where owner_id = ?", user["id"])
        shown |= {
            "email": user["email"],
            "is_admin": bool(user["admin"]),
            "can_create_group": True,
            "can_create_project": True,
            "projects_limit": 100000,
            "external": False,
            "note": None,
            "namespace_id": namespace["id"] if namespace else None,
        }
    return shown
