"""Deploy tokens and keys, and the access tokens of projects and groups."""

from __future__ import annotations

from typing import Any

from gitlab_standin import accounts, clock, vault
from gitlab_standin.api import access_tokens, ssh_keys
from gitlab_standin.api.routing import Context, route
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, invalid, missing, not_found

# Deploy tokens


def _deploy_place(context: Context, kind: str) -> tuple[str, Row]:
    if kind == "projects":
        return "project_id", context.project(accounts.MAINTAINER)
    return "namespace_id", context.group(accounts.OWNER)


def _register_deploy_tokens(kind: str) -> None:
    @route("GET", f"/{kind}/:id/deploy_tokens", "active")
    def listing(context: Context) -> Any:
        column, place = _deploy_place(context, kind)
        rows = context.db.rows(f"select * from deploy_tokens where {column} = ? and revoked = 0", place["id"])
        if context.parameters.boolean("active"):
            rows = [row for row in rows if not clock.expired(row["expires_at"])]
        return context.page(rows, _show_deploy_token)

    @route("GET", f"/{kind}/:id/deploy_tokens/:token_id")
    def one(context: Context) -> dict[str, Any]:
        return _show_deploy_token(_deploy_token(context, kind))

    @route("POST", f"/{kind}/:id/deploy_tokens", "name username scopes expires_at")
    def create(context: Context) -> dict[str, Any]:
        column, place = _deploy_place(context, kind)
        given = context.parameters
        name, scopes = given.required("name"), given.strings("scopes") or []
        if not scopes:
            raise missing("scopes")
        if set(scopes) - set(accounts.DEPLOY_SCOPES):
            raise invalid("scopes")
        value = vault.new_token("gldt-")
        made = context.db.insert(
            "deploy_tokens",
            name=name,
            username="",
            digest=context.site.vault.digest(value),
            # CI_DEPLOY_PASSWORD needs the value of the one named gitlab-deploy-token.
            sealed=context.site.vault.encrypt(value),
            scopes=scopes,
            expires_at=given.text("expires_at"),
            created_at=clock.now(),
            **{column: place["id"]},
        )
        username = given.text("username") or f"gitlab+deploy-token-{made}"
        context.db.update("deploy_tokens", made, username=username)
        row = context.db.row("select * from deploy_tokens where id = ?", made)
        assert row is not None
        return {**_show_deploy_token(row), "token": value}

    @route("DELETE", f"/{kind}/:id/deploy_tokens/:token_id")
    def delete(context: Context) -> None:
        context.db.update("deploy_tokens", _deploy_token(context, kind)["id"], revoked=1)


def _deploy_token(context: Context, kind: str) -> Row:
    column, place = _deploy_place(context, kind)
    row = context.db.row(
        f"select * from deploy_tokens where {column} = ? and id = ? and revoked = 0",
        place["id"],
        context.integer("token_id", "DeployToken"),
    )
    if row is None:
        raise not_found("DeployToken")
    return row


def _show_deploy_token(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "username": row["username"],
        "expires_at": row["expires_at"],
        "scopes": row["scopes"],
        "revoked": bool(row["revoked"]),
        "expired": clock.expired(row["expires_at"]),
    }


# Access tokens of projects and groups: each has a bot user


def _register_access_tokens(kind: str) -> None:
    base = f"/{kind}/:id/access_tokens"

    def place_of(context: Context) -> tuple[str, Row]:
        if kind == "projects":
            return "project_id", context.project(accounts.MAINTAINER)
        return "namespace_id", context.group(accounts.OWNER)

    def rows_of(context: Context) -> list[Row]:
        column, place = place_of(context)
        return context.db.rows(
            "select tokens.*, access_level from tokens join users on users.id = tokens.user_id "
            "join members on members.user_id = users.id "
            f"where bot = 1 and members.{column} = ? order by tokens.id desc",
            place["id"],
        )

    def one_of(context: Context) -> Row:
        token_id = context.integer("token_id", "Token")
        found = [row for row in rows_of(context) if row["id"] == token_id]
        if not found:
            raise not_found("Could not find " + kind[:-1] + " access token with token_id: " + str(token_id))
        return found[0]

    def show(row: Row) -> dict[str, Any]:
        resource = "project" if kind == "projects" else "group"
        return {**access_tokens.show_token(row), "access_level": row["access_level"], "resource_type": resource}

    @route("GET", base, "state revoked search")
    def listing(context: Context) -> Any:
        rows = rows_of(context)
        state = context.parameters.choice("state", ("active", "inactive"))
        if state:
            rows = [row for row in rows if access_tokens.is_active(row) == (state == "active")]
        elif "revoked" not in context.parameters:
            rows = [row for row in rows if not row["revoked"]]
        return context.page(rows, show)

    @route("GET", f"{base}/:token_id")
    def one(context: Context) -> dict[str, Any]:
        return show(one_of(context))

    @route("POST", base, "name description scopes access_level expires_at")
    def create(context: Context) -> dict[str, Any]:
        column, place = place_of(context)
        given = context.parameters
        level = given.integer("access_level", accounts.MAINTAINER) or accounts.MAINTAINER
        if level not in {*accounts.LEVELS, accounts.OWNER}:
            raise invalid("access_level")
        mine = (
            accounts.level_in_project(context.site, context.user, place)
            if kind == "projects"
            else accounts.level_in_namespace(context.site, context.user, place["id"])
        )
        if level > mine:
            raise bad_request(
                "Access level of the token can't be greater the access level of the user who created the token"
            )
        name = given.required("name")
        with context.db.transaction():
            handle = f"{kind[:-1]}_{place['id']}_bot_{vault.new_token('')[:16].lower()}"
            bot = accounts.make_user(
                context.site, handle, name, f"{handle}@noreply.{context.site.settings.host}", bot=1
            )
            context.db.insert(
                "members", user_id=bot["id"], access_level=level, created_at=clock.now(), **{column: place["id"]}
            )
            made = access_tokens.new_access_token(context, bot, accounts.RESOURCE_SCOPES)
        resource = "project" if kind == "projects" else "group"
        return {**made, "access_level": level, "resource_type": resource, "resource_id": place["id"]}

    @route("POST", f"{base}/:token_id/rotate", "expires_at", status=200)
    def rotate(context: Context) -> dict[str, Any]:
        row = one_of(context)
        return {**access_tokens.rotate(context, row), "access_level": row["access_level"]}

    @route("DELETE", f"{base}/:token_id")
    def revoke(context: Context) -> None:
        context.db.update("tokens", one_of(context)["id"], revoked=1)


# Deploy keys: SSH access of a machine to one project


@route("GET", "/projects/:id/deploy_keys")
def list_deploy_keys(context: Context) -> Any:
    project = context.project(accounts.MAINTAINER)
    return context.page(
        context.db.rows("select * from deploy_keys where project_id = ? order by id", project["id"]), _show_deploy_key
    )


@route("POST", "/projects/:id/deploy_keys", "key title can_push expires_at")
def add_deploy_key(context: Context) -> dict[str, Any]:
    project, given = context.project(accounts.MAINTAINER), context.parameters
    key = given.required("key").strip()
    fingerprint = ssh_keys.key_fingerprint(key)
    for table in ("keys", "deploy_keys"):
        if context.db.row(f"select 1 from {table} where fingerprint = ?", fingerprint):
            raise bad_request({"deploy_key.fingerprint_sha256": ["has already been taken"]})
    made = context.db.insert(
        "deploy_keys",
        project_id=project["id"],
        title=given.required("title"),
        key=" ".join(key.split()[:2]),
        fingerprint=fingerprint,
        can_push=int(given.boolean("can_push")),
        expires_at=given.text("expires_at"),
        created_at=clock.now(),
    )
    row = context.db.row("select * from deploy_keys where id = ?", made)
    assert row is not None
    return _show_deploy_key(row)


@route("GET", "/projects/:id/deploy_keys/:key_id")
def one_deploy_key(context: Context) -> dict[str, Any]:
    return _show_deploy_key(_deploy_key(context))


@route("PUT", "/projects/:id/deploy_keys/:key_id", "title can_push")
def update_deploy_key(context: Context) -> dict[str, Any]:
    row, given = _deploy_key(context), context.parameters
    can_push = int(given.boolean("can_push", bool(row["can_push"])))
    context.db.update("deploy_keys", row["id"], title=given.text("title", row["title"]), can_push=can_push)
    return _show_deploy_key(_deploy_key(context))


@route("DELETE", "/projects/:id/deploy_keys/:key_id")
def delete_deploy_key(context: Context) -> None:
    context.db.execute("delete from deploy_keys where id = ?", _deploy_key(context)["id"])


def _deploy_key(context: Context) -> Row:
    project = context.project(accounts.MAINTAINER)
    row = context.db.row(
        "select * from deploy_keys where project_id = ? and id = ?", project["id"], context.integer("key_id", "Key")
    )
    if row is None:
        raise ApiError(404, {"message": "404 Deploy Key Not Found"})
    return row


def _show_deploy_key(row: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "title": row["title"],
        "key": row["key"],
        "fingerprint_sha256": row["fingerprint"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "can_push": bool(row["can_push"]),
        "usage_type": "auth",
    }


for _kind in ("projects", "groups"):
    _register_deploy_tokens(_kind)
    _register_access_tokens(_kind)
