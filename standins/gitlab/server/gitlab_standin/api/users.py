"""Users, their keys, and personal access tokens; what the server says about itself."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gitlab_standin import VERSION, accounts, clock, vault
from gitlab_standin.accounts import Actor
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, invalid, not_found, unauthorized
from gitlab_standin.site import Site

_LONGEST_DAYS = 365


@route("GET", "/version")
def version(context: Context) -> dict[str, Any]:
    if context.actor.user is None:
        raise unauthorized()
    return {"version": VERSION, "revision": "standin"}


@route("GET", "/metadata")
def metadata(context: Context) -> dict[str, Any]:
    if context.actor.user is None:
        raise unauthorized()
    kas = {"enabled": False, "externalUrl": None, "externalK8sProxyUrl": None, "version": None}
    return {"version": VERSION, "revision": "standin", "kas": kas, "enterprise": False}


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
    return _as_seen_by(context.site, _user(context), viewer)


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
    user, given = _user(context), context.parameters
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
    user = _user(context)
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
    context.db.update("users", _user(context)["id"], state="blocked")
    return True


@route("POST", "/users/:user_id/unblock")
def unblock_user(context: Context) -> bool:
    context.admin()
    context.db.update("users", _user(context)["id"], state="active")
    return True


# SSH keys


@route("GET", "/user/keys")
def list_keys(context: Context) -> Any:
    rows = context.db.rows("select * from keys where user_id = ? order by id", context.user["id"])
    return context.page(rows, show_key)


@route("POST", "/user/keys", "title key expires_at usage_type")
def add_key(context: Context) -> dict[str, Any]:
    return _add_key(context, context.user)


@route("POST", "/users/:user_id/keys", "title key expires_at usage_type")
def add_users_key(context: Context) -> dict[str, Any]:
    context.admin()
    return _add_key(context, _user(context))


@route("GET", "/users/:user_id/keys")
def list_users_keys(context: Context) -> Any:
    _ = context.user
    rows = context.db.rows("select * from keys where user_id = ? order by id", _user(context)["id"])
    return context.page(rows, show_key)


@route("GET", "/user/keys/:key_id")
def one_key(context: Context) -> dict[str, Any]:
    return show_key(_key(context))


@route("DELETE", "/user/keys/:key_id")
def delete_key(context: Context) -> None:
    context.db.execute("delete from keys where id = ?", _key(context)["id"])


def _add_key(context: Context, user: Row) -> dict[str, Any]:
    given = context.parameters
    title, key = given.required("title"), given.required("key").strip()
    if given.choice("usage_type", ("auth", "auth_and_signing", "signing"), "auth_and_signing") == "signing":
        raise ApiError(501, {"message": "501 usage_type signing is not supported by the lab's GitLab"})
    fingerprint = key_fingerprint(key)
    if context.db.row("select 1 from keys where fingerprint = ?", fingerprint):
        raise bad_request({"fingerprint": ["has already been taken"], "fingerprint_sha256": ["has already been taken"]})
    key_id = context.db.insert(
        "keys",
        user_id=user["id"],
        title=title,
        key=" ".join(key.split()[:2]),
        fingerprint=fingerprint,
        expires_at=given.text("expires_at"),
        created_at=clock.now(),
    )
    row = context.db.row("select * from keys where id = ?", key_id)
    assert row is not None
    return show_key(row)


def key_fingerprint(key: str) -> str:
    """SHA256 fingerprint of a public key in OpenSSH's format. Raises 400."""
    parts = key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
        kind = blob[4 : 4 + int.from_bytes(blob[:4], "big")].decode()
        if kind != parts[0]:
            raise ValueError(kind)
    except (IndexError, ValueError) as error:
        raise bad_request({"key": ["is invalid"], "fingerprint": ["cannot be generated"]}) from error
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()


def show_key(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "title": row["title"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "key": row["key"],
        "usage_type": "auth_and_signing",
    }


def _key(context: Context) -> Row:
    row = context.db.row(
        "select * from keys where id = ? and user_id = ?", context.integer("key_id", "Key"), context.user["id"]
    )
    if row is None:
        raise not_found("Key")
    return row


# Personal access tokens


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
    return new_access_token(context, _user(context), accounts.PERSONAL_SCOPES)


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
    expires = expiry(given.text("expires_at"))
    row = accounts.issue_token(context.site, user, name, scopes, expires, value, given.text("description"))
    return {**show_token(row), "token": value}


def rotate(context: Context, row: Row) -> dict[str, Any]:
    """Revoke a token and make its successor."""
    if not is_active(row):
        raise ApiError(401, {"message": "401 Unauthorized"})
    value = vault.new_token("glpat-")
    expires = expiry(context.parameters.text("expires_at"), days=7)
    user = accounts.get_user(context.site, row["user_id"])
    with context.db.transaction():
        context.db.update("tokens", row["id"], revoked=1)
        made = accounts.issue_token(context.site, user, row["name"], row["scopes"], expires, value, row["description"])
    return {**show_token(made), "token": value}


def expiry(text: str | None, days: int = _LONGEST_DAYS) -> str:
    """A day of expiry: within a year from now, and `days` from now if none is asked for. Raises 400."""
    today = datetime.now(UTC).date()
    if text is None or text == "":
        return str(today + timedelta(days=days))
    try:
        day = date.fromisoformat(text[:10])
    except ValueError as error:
        raise invalid("expires_at", "is invalid") from error
    if day <= today:
        raise bad_request("Expiration date must be in the future")
    if day > today + timedelta(days=_LONGEST_DAYS):
        latest = today + timedelta(days=_LONGEST_DAYS)
        raise bad_request(f"Expiration date must be before {latest}")
    return str(day)


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


def show_user(site: Site, user: Row) -> dict[str, Any]:
    return {
        "id": user["id"],
        "username": user["username"],
        "name": user["name"],
        "state": user["state"],
        "locked": False,
        "avatar_url": None,
        "web_url": f"{site.settings.url}/{user['username']}",
        "created_at": user["created_at"],
        "bot": bool(user["bot"]),
    }


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


def _user(context: Context) -> Row:
    user = context.db.row("select * from users where id = ?", context.integer("user_id", "User"))
    if user is None:
        raise not_found("User")
    return user
