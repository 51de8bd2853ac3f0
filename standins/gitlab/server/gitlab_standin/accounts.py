"""Who is asking, and what they may do: users, tokens, access levels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gitlab_standin import clock
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, bad_request, forbidden, invalid, not_found, unauthorized
from gitlab_standin.site import Site

_LONGEST_DAYS = 365
"""The longest that an access token may last."""

GUEST, PLANNER, REPORTER, DEVELOPER, MAINTAINER, OWNER = 10, 15, 20, 30, 40, 50
NO_ACCESS, ADMIN = 0, 60
LEVELS = {GUEST: "Guest", PLANNER: "Planner", REPORTER: "Reporter", DEVELOPER: "Developers", MAINTAINER: "Maintainers"}

PERSONAL_SCOPES = (
    "api read_api read_user create_runner manage_runner k8s_proxy self_rotate read_repository write_repository "
    "read_registry write_registry read_virtual_registry write_virtual_registry ai_features sudo admin_mode "
    "read_service_ping"
).split()
RESOURCE_SCOPES = (
    "api read_api create_runner manage_runner k8s_proxy self_rotate read_repository write_repository read_registry "
    "write_registry read_virtual_registry write_virtual_registry ai_features"
).split()
DEPLOY_SCOPES = "read_repository read_registry write_registry read_package_registry write_package_registry".split()


@dataclass(frozen=True)
class Actor:
    """Who a request acts for. A job acts for its user, but only where a job may; a deploy token has no user."""

    user: Row | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    token: Row | None = None
    job: Row | None = None
    deploy_token: Row | None = None
    deploy_key: Row | None = None

    @property
    def is_admin(self) -> bool:
        return bool(self.user and self.user["admin"] and self.job is None)

    def need_scope(self, *allowed: str) -> None:
        if not self.scopes.intersection(allowed):
            description = "The request requires higher privileges than provided by the access token."
            body = {"error": "insufficient_scope", "error_description": description, "scope": " ".join(allowed)}
            raise ApiError(403, body)


def authenticate_token(site: Site, token: str) -> Actor:
    """The actor of a personal, group or project access token. Raises 401."""
    found = site.db.row("select * from tokens where digest = ?", site.vault.digest(token))
    if found is None:
        raise unauthorized()
    why = None
    if found["revoked"]:
        why = "Token was revoked. You have to re-authorize from the user."
    elif clock.expired(found["expires_at"]):
        why = "Token is expired. You can either do re-authorization or token refresh."
    if why:
        raise ApiError(401, {"error": "invalid_token", "error_description": why})
    user = get_user(site, found["user_id"])
    if user["state"] != "active":
        raise forbidden("Your account has been blocked.")
    used = found["last_used_at"]
    if used is None or (clock.seconds_between(used, None) or 0) > 60:
        site.db.update("tokens", found["id"], last_used_at=clock.now())
    return Actor(user=user, scopes=frozenset(found["scopes"]), token=found)


def authenticate_job(site: Site, token: str) -> Actor:
    """The actor of a job's token, valid while the job runs. Raises 401."""
    job = site.db.row("select * from jobs where digest = ?", site.vault.digest(token))
    if job is None or job["status"] not in {"running", "canceling"}:
        raise unauthorized()
    return Actor(user=find_user(site, job["user_id"]), job=job)


def authenticate_deploy_token(site: Site, username: str, token: str) -> Actor:
    """The actor of a deploy token, by name and token. Raises 401."""
    found = site.db.row("select * from deploy_tokens where digest = ?", site.vault.digest(token))
    if found is None or found["username"] != username or found["revoked"] or clock.expired(found["expires_at"]):
        raise unauthorized()
    return Actor(scopes=frozenset(found["scopes"]), deploy_token=found)


def authenticate_basic(site: Site, username: str, secret: str) -> Actor:
    """Git's and docker's login: a token as password; passwords themselves are for the web page only, as with 2FA."""
    if username == "gitlab-ci-token":
        return authenticate_job(site, secret)
    try:
        return authenticate_deploy_token(site, username, secret)
    except ApiError:
        return authenticate_token(site, secret)


def get_user(site: Site, user_id: int) -> Row:
    user = site.db.row("select * from users where id = ?", user_id)
    if user is None:
        raise not_found("User")
    return user


def find_user(site: Site, user_id: int | None) -> Row | None:
    """A user who may be gone by now."""
    return site.db.row("select * from users where id = ?", user_id)


def ancestors(site: Site, namespace_id: int | None) -> list[Row]:
    """A namespace and those above it, the nearest first."""
    found: list[Row] = []
    while namespace_id is not None:
        row = site.db.row("select * from namespaces where id = ?", namespace_id)
        if row is None:
            break
        found.append(row)
        namespace_id = row["parent_id"]
    return found


def level_in_namespace(site: Site, user: Row | None, namespace_id: int) -> int:
    """The user's access level in a group, inherited ones counted."""
    if user is None:
        return NO_ACCESS
    if user["admin"]:
        return OWNER
    best = NO_ACCESS
    for row in ancestors(site, namespace_id):
        if row["owner_id"] == user["id"]:
            best = OWNER
        for member in site.db.rows(
            "select * from members where user_id = ? and namespace_id = ?", user["id"], row["id"]
        ):
            if not clock.expired(member["expires_at"]):
                best = max(best, member["access_level"])
    return best


def level_in_project(site: Site, user: Row | None, project: Row) -> int:
    """The user's access level in a project, those of its groups counted."""
    if user is None:
        return NO_ACCESS
    best = level_in_namespace(site, user, project["namespace_id"])
    for member in site.db.rows("select * from members where user_id = ? and project_id = ?", user["id"], project["id"]):
        if not clock.expired(member["expires_at"]):
            best = max(best, member["access_level"])
    return best


def can_see_project(site: Site, actor: Actor, project: Row) -> bool:
    """Whether a project exists for this actor."""
    visibility = project["attributes"].get("visibility", "private")
    if actor.job is not None:
        return bool(actor.job["project_id"] == project["id"]) or visibility == "public"
    if actor.deploy_token is not None:
        return deploy_token_covers(site, actor.deploy_token, project)
    if visibility == "public" or (visibility == "internal" and actor.user is not None):
        return True
    return level_in_project(site, actor.user, project) >= GUEST


def deploy_token_covers(site: Site, token: Row, project: Row) -> bool:
    if token["project_id"] is not None:
        return bool(token["project_id"] == project["id"])
    return any(row["id"] == token["namespace_id"] for row in ancestors(site, project["namespace_id"]))


def may(site: Site, actor: Actor, project: Row, level: int, public: bool = False) -> bool:
    """Whether the actor has a level in a project; `public` adds what anyone may who sees it."""
    if actor.is_admin or level_in_project(site, actor.user, project) >= level:
        return True
    return public and can_see_project(site, actor, project)


def issue_token(
    site: Site,
    user: Row,
    name: str,
    scopes: list[str],
    expires_at: str | None,
    value: str,
    description: str | None = None,
) -> Row:
    """Keep a token's digest; the value is only known to who asked for it."""
    token_id = site.db.insert(
        "tokens",
        user_id=user["id"],
        name=name,
        description=description,
        scopes=scopes,
        digest=site.vault.digest(value),
        expires_at=expires_at,
        created_at=clock.now(),
    )
    found = site.db.row("select * from tokens where id = ?", token_id)
    assert found is not None
    return found


def token_expiry(text: str | None, days: int = _LONGEST_DAYS) -> str:
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


def make_user(site: Site, username: str, name: str, email: str, **values: Any) -> Row:
    """Add a user with a namespace of their own."""
    with site.db.transaction():
        user_id = site.db.insert("users", username=username, name=name, email=email, created_at=clock.now(), **values)
        if not values.get("bot"):
            site.db.insert(
                "namespaces",
                kind="user",
                owner_id=user_id,
                path=username,
                full_path=username,
                name=name,
                created_at=clock.now(),
            )
    return get_user(site, user_id)
