"""Users' SSH keys."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from gitlab_standin import clock
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, not_found


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
    return _add_key(context, context.named_user())


@route("GET", "/users/:user_id/keys")
def list_users_keys(context: Context) -> Any:
    _ = context.user
    rows = context.db.rows("select * from keys where user_id = ? order by id", context.named_user()["id"])
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
