"""The registry's login: tokens that say what may be pulled and pushed, and the registry's configuration."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import yaml
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gitlab_standin import accounts
from gitlab_standin.accounts import Actor
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError
from gitlab_standin.gitaccess import basic_actor
from gitlab_standin.site import Site

ISSUER = "omnibus-gitlab-issuer"
SERVICE = "container_registry"
_SECONDS = 300


async def serve(site: Site, request: Request) -> Response:
    """GET /jwt/auth, as docker asks after the registry sent it here."""
    return await run_in_threadpool(_answer, site, request)


def _answer(site: Site, request: Request) -> Response:
    if request.query_params.get("service") != SERVICE:
        return Response(status_code=404)
    try:
        actor = basic_actor(site, request)
    except ApiError:
        return _denied()
    if actor is not None and not _has_scope(actor):
        return _denied()
    access = []
    for scope in request.query_params.getlist("scope"):
        for part in scope.split(" "):
            granted = _grant(site, actor or Actor(), part)
            if granted:
                access.append(granted)
    if actor is None and not access and request.query_params.getlist("scope"):
        return _denied()
    now = int(time.time())
    name = _name(actor)
    claims = {
        "iss": ISSUER,
        "aud": SERVICE,
        "sub": name,
        "iat": now,
        "nbf": now - 5,
        "exp": now + _SECONDS,
        "jti": str(uuid.uuid4()),
        "access": access,
    }
    return JSONResponse({"token": site.vault.sign(claims), "expires_in": _SECONDS})


def _denied() -> Response:
    error = {"code": "UNAUTHORIZED", "message": "HTTP Basic: Access denied."}
    return JSONResponse({"errors": [error]}, 401, headers={"WWW-Authenticate": 'Basic realm="GitLab"'})


def _name(actor: Actor | None) -> str:
    if actor is None:
        return ""
    if actor.deploy_token is not None:
        return str(actor.deploy_token["username"])
    return str(actor.user["username"]) if actor.user else "gitlab-ci-token"


def _has_scope(actor: Actor) -> bool:
    """Whether the login is one for the registry at all."""
    if actor.job is not None:
        return True
    return bool(actor.scopes & {"api", "read_api", "read_registry", "write_registry"})


def _grant(site: Site, actor: Actor, scope: str) -> dict[str, Any] | None:
    """What of a scope, as repository:group/project/image:pull,push, the actor may do."""
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    if kind == "registry" and name == "catalog" and actor.is_admin:
        return {"type": "registry", "name": "catalog", "actions": ["*"]}
    if kind != "repository":
        return None
    project = _project_of(site, name)
    if project is None or project["attributes"].get("container_registry_enabled", True) is False:
        return None
    if project["attributes"].get("container_registry_access_level") == "disabled":
        return None
    granted = [action for action in actions.split(",") if _may(site, actor, project, action)]
    return {"type": "repository", "name": name, "actions": granted} if granted else None


def _project_of(site: Site, name: str) -> Row | None:
    """The project of a repository: the longest path that is one, as an image may have up to two more parts."""
    parts = name.split("/")
    for length in range(len(parts), max(1, len(parts) - 3), -1):
        found = site.db.row("select * from projects where full_path = ?", "/".join(parts[:length]))
        if found is not None:
            return found
    return None


def _may(site: Site, actor: Actor, project: Row, action: str) -> bool:
    public = project["attributes"].get("visibility", "private") == "public"
    if action == "pull" and public:
        return True
    if actor.job is not None:
        return bool(actor.job["project_id"] == project["id"]) and action in {"pull", "push"}
    if actor.deploy_token is not None:
        needed = {"pull": "read_registry", "push": "write_registry"}.get(action)
        return needed in actor.scopes and accounts.deploy_token_covers(site, actor.deploy_token, project)
    level = accounts.level_in_project(site, actor.user, project)
    match action:
        case "pull":
            scoped = actor.scopes & {"api", "read_api", "read_registry", "write_registry"}
            return bool(scoped) and level >= accounts.REPORTER
        case "push":
            return bool(actor.scopes & {"api", "write_registry"}) and level >= accounts.DEVELOPER
        case "delete" | "*":
            return bool(actor.scopes & {"api", "write_registry"}) and level >= accounts.MAINTAINER
    return False


def write_configuration(site: Site) -> None:
    """Write what the registry program starts with: its storage, its certificate, and whose tokens it takes."""
    settings = site.settings
    folder = settings.data / "registry"
    folder.mkdir(parents=True, exist_ok=True)
    settings.registry_storage.mkdir(parents=True, exist_ok=True)
    keys = folder / "keys.json"
    keys.write_text(json.dumps(site.vault.key_set))
    configuration = {
        "version": 0.1,
        "log": {"level": "info", "fields": {"service": "registry"}},
        "storage": {
            "filesystem": {"rootdirectory": str(settings.registry_storage)},
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
        },
        "http": {
            "addr": f"{settings.listen}:{settings.registry_port}",
            "host": settings.registry_url,
            "headers": {"X-Content-Type-Options": ["nosniff"]},
            "tls": {"certificate": str(settings.registry_cert), "key": str(settings.registry_key)},
        },
        "auth": {
            "token": {
                "realm": f"{settings.url}/jwt/auth",
                "service": SERVICE,
                "issuer": ISSUER,
                "jwks": str(keys),
                "signingalgorithms": ["ES256"],
            }
        },
        "health": {"storagedriver": {"enabled": True, "interval": "10s", "threshold": 3}},
    }
    (folder / "config.yml").write_text(yaml.safe_dump(configuration, sort_keys=False))
