"""The web application: which part answers which path."""

from __future__ import annotations

import hmac
import time

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gitlab_standin import clock, gitaccess, registry_auth, web

# Each of these adds its routes.
from gitlab_standin.api import (
    access_tokens,
    branches,
    cluster_agents,
    commits,
    environments,
    files,
    groups,
    jobs,
    metadata,
    pipelines,
    projects,
    routing,
    runner_api,
    runners,
    ssh_keys,
    tokens,
    users,
    variables,
)
from gitlab_standin.internal_client import SECRET_HEADER
from gitlab_standin.kas import proxy as kas
from gitlab_standin.site import Site

_HEALTH = {"/-/readiness", "/-/liveness", "/-/health"}
_API = "/api/v4"

assert all(
    (
        access_tokens,
        branches,
        cluster_agents,
        commits,
        environments,
        files,
        groups,
        jobs,
        metadata,
        pipelines,
        projects,
        runner_api,
        runners,
        ssh_keys,
        tokens,
        users,
        variables,
    )
)


class Application:
    """What answers on the external URL."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._kas = kas.Kas(site) if site.settings.kas else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            return
        started = time.monotonic()
        if scope["path"].startswith(kas.PATH):
            serve = self._kas.serve if self._kas else kas.absent
            _log(scope, await serve(scope, receive, send), started)
            return
        if scope["type"] == "websocket":
            # Before it is accepted, this is a 403.
            await send({"type": "websocket.close"})
            _log(scope, 403, started)
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except Exception:
            _log(scope, 500, started)
            raise
        _log(scope, response.status_code, started)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path = request.url.path
        if path in _HEALTH:
            return self._health(request, path)
        if path == "/jwt/auth":
            return await registry_auth.serve(self._site, request)
        if path.startswith(f"{_API}/internal/"):
            return JSONResponse({"message": "404 Not found"}, 404)
        if path.startswith(f"{_API}/"):
            raw = request.scope["raw_path"].decode("latin-1")
            return await routing.answer(self._site, request, raw[len(_API) :])
        match = gitaccess.matches(path)
        if match:
            return await gitaccess.serve(self._site, request, match)
        return await web.serve(self._site, request)

    def _health(self, request: Request, path: str) -> Response:
        client = request.client.host if request.client else ""
        if not self._site.settings.may_monitor(client):
            return PlainTextResponse("", 404)
        if path == "/-/health":
            return PlainTextResponse("GitLab OK")
        found: dict[str, object] = {"status": "ok"}
        if path == "/-/readiness":
            self._site.db.number("select 1")
            found["master_check"] = [{"status": "ok"}]
            if request.query_params.get("all"):
                found |= {f"{part}_check": [{"status": "ok"}] for part in ("db", "gitaly")}
        return JSONResponse(found)


class Internal:
    """What answers hooks and gitlab-shell, on a socket in the file system."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        shown = request.headers.get(SECRET_HEADER, "")
        if hmac.compare_digest(shown, self._site.vault.shell_secret):
            path = request.url.path.removeprefix(f"{_API}/internal/")
            body = await request.body()
            response = await run_in_threadpool(gitaccess.internal, self._site, path, body)
        else:
            response = JSONResponse({"message": "401 Unauthorized"}, 401)
        await response(scope, receive, send)


class Redirect:
    """What answers on port 80: the way to HTTPS."""

    def __init__(self, site: Site) -> None:
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        query = f"?{request.url.query}" if request.url.query else ""
        await RedirectResponse(f"{self._site.settings.url}{request.url.path}{query}", 301)(scope, receive, send)


def _log(scope: Scope, status: int, started: float) -> None:
    """One line per request; no query, which may hold a token."""
    milliseconds = round((time.monotonic() - started) * 1000)
    client = scope["client"][0] if scope.get("client") else "-"
    method = scope.get("method", "WEBSOCKET")
    print(f"{clock.now()} {client} {method} {scope['path']} {status} {milliseconds}ms", flush=True)
