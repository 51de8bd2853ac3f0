"""Personal access tokens, and what tokens of every kind have in common."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, clock, vault
from gitlab_standin.accounts import Actor
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, forbidden, invalid, not_found, unauthorized


@route("GET", "/personal_access_tokens", "user_id state revoked search created_after created_before")
def list_tokens(context: Context) -> Any:
    user = context.user
    rows = context.db.rows("select * from tokens order by id desc")
    owner = context.parameters.integer("user_id")
    if not user["admin"]:
        if owner is not None and owner != user["id"]:
            raise forbidden()
        owner = user["id"]
    rows = [row for row in rows if owner is None or row["user_id"] == owner]
    if "revoked" in context.parameters:
        rows = [row for row in rows if bool(row["revoked"]) == context.parameters.boolean("revoked")]
    state = context.parameters.choice("state", ("active", "inactive"))
    if state:
        rows = [row for row in rows if is_active(row) == (state == "active")]
    search = context.parameters.text("search")
    rows = [row for row in rows if search is None or search.lower() in row["name"].lower()]
    return context.page(rows, show_token)


@route("GET", "/personal_access_tokens/:token_id")
def one_token(context: Context) -> dict[str, Any]:
    return show_token(_token(context))


@route("DELETE", "/personal_access_tokens/:token_id")
def revoke_token(context: Context) -> None:
    context.db.update("tokens", _token(context, own_scope=True)["id"], revoked=1)


@route("POST", "/personal_access_tokens/:token_id/rotate", "expires_at", status=200)
def rotate_token(context: Context) -> dict[str, Any]:
    row = _token(context, own_scope=True)
    return rotate(context, row)


@route("POST", "/users/:user_id/personal_access_tokens", "name description scopes expires_at")
def create_token(context: Context) -> dict[str, Any]:
    context.admin()
    return new_access_token(context, context.named_user(), accounts.PERSONAL_SCOPES)


def new_access_token(context: Context, user: Row, allowed: list[str], prefix: str = "glpat-") -> dict[str, Any]:
    """Make a token from the request's name, scopes and expiry; its value is in the answer, this once."""
    given = context.parameters
    name = given.required("name")
    scopes = given.strings("scopes") or []
    if not scopes:
        raise ApiError(400, {"error": "scopes is missing"})
    if set(scopes) - set(allowed):
        raise invalid("scopes")
    value = vault.new_token(prefix)
    expires = accounts.token_expiry(given.text("expires_at"))
    row = accounts.issue_token(context.site, user, name, scopes, expires, value, given.text("description"))
    return {**show_token(row), "token": value}


def rotate(context: Context, row: Row) -> dict[str, Any]:
    """Revoke a token and make its successor."""
    if not is_active(row):
        raise ApiError(401, {"message": "401 Unauthorized"})
    value = vault.new_token("glpat-")
    expires = accounts.token_expiry(context.parameters.text("expires_at"), days=7)
    user = accounts.get_user(context.site, row["user_id"])
    with context.db.transaction():
        context.db.update("tokens", row["id"], revoked=1)
        made = accounts.issue_token(context.site, user, row["name"], row["scopes"], expires, value, row["description"])
    return {**show_token(made), "token": value}


def is_active(row: Row) -> bool:
    return not row["revoked"] and not clock.expired(row["expires_at"])


def show_token(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "revoked": bool(row["revoked"]),
        "created_at": row["created_at"],
        "description": row["description"],
        "scopes": row["scopes"],
        "user_id": row["user_id"],
        "last_used_at": row["last_used_at"],
        "active": is_active(row),
        "expires_at": row["expires_at"],
    }


def _token(context: Context, own_scope: bool = False) -> Row:
    """The token of the path; `self` is the one that asks, whatever its scopes."""
    if context.segments["token_id"] == "self":
        actor: Actor = context.actor
        if actor.token is None:
            raise unauthorized()
        if own_scope:
            actor.need_scope("api", "self_rotate")
        row = context.db.row("select * from tokens where id = ?", actor.token["id"])
        assert row is not None
        return row
    user = context.user
    row = context.db.row("select * from tokens where id = ?", context.integer("token_id", "Token"))
    if row is None or (row["user_id"] != user["id"] and not user["admin"]):
        raise not_found("Token") if user["admin"] else unauthorized()
    return row
