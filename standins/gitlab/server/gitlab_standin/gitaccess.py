"""Git's two doors: smart HTTP by `git http-backend`, and the internal API for hooks and gitlab-shell."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from gitlab_standin import accounts, clock, lfs, pushes
from gitlab_standin.accounts import Actor
from gitlab_standin.api.routing import find_project
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError, unauthorized
from gitlab_standin.pushes import RefChange
from gitlab_standin.site import Site

_PATH = re.compile(
    r"/(?P<project>.+?)(?P<suffix>\.git)?/(?P<service>info/refs|git-upload-pack|git-receive-pack|info/lfs/.+)"
)
_DENIED = (
    "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect "
    "or you're required to use a token instead of a password. If a token was provided, it was either incorrect, "
    "expired, or improperly scoped.\n"
)


def matches(path: str) -> re.Match[str] | None:
    """Whether a path is one that git asks for."""
    return _PATH.fullmatch(path)


def challenge() -> Response:
    return PlainTextResponse(_DENIED, 401, headers={"WWW-Authenticate": 'Basic realm="GitLab"'})


def basic_actor(site: Site, request: Request, *, lfs_too: bool = False) -> Actor | None:
    """Who asks by HTTP's basic login, or None without one. Raises ApiError.

    `lfs_too` takes also the logins that are for LFS alone.
    """
    scheme, _, credential = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return accounts.authenticate_token(site, credential)
    if scheme.lower() != "basic":
        return None
    try:
        username, _, secret = base64.b64decode(credential).decode().partition(":")
    except ValueError as error:
        raise unauthorized() from error
    actor = lfs.authenticate(site, secret) if lfs_too else None
    return actor or accounts.authenticate_basic(site, username, secret)


def may_read(site: Site, actor: Actor, project: Row) -> bool:
    """Whether the actor may clone."""
    if actor.deploy_key is not None:
        return bool(actor.deploy_key["project_id"] == project["id"])
    if project["attributes"].get("visibility", "private") == "public":
        return True
    if actor.job is not None:
        return bool(actor.job["project_id"] == project["id"])
    if actor.deploy_token is not None:
        return "read_repository" in actor.scopes and accounts.deploy_token_covers(site, actor.deploy_token, project)
    if actor.token is not None and not actor.scopes & {"api", "read_api", "read_repository", "write_repository"}:
        return False
    return accounts.level_in_project(site, actor.user, project) >= accounts.REPORTER


def may_write(actor: Actor, project: Row) -> bool:
    """Whether the actor's kind of login may push at all; the hooks decide about each ref."""
    if actor.deploy_key is not None:
        return bool(actor.deploy_key["can_push"] and actor.deploy_key["project_id"] == project["id"])
    if actor.job is not None:
        allowed = project["attributes"].get("ci_push_repository_for_job_token_allowed", False)
        return bool(allowed and actor.job["project_id"] == project["id"])
    if actor.token is not None:
        return bool(actor.scopes & {"api", "write_repository"})
    return actor.user is not None


async def serve(site: Site, request: Request, match: re.Match[str]) -> Response:
    """Answer git, or git-lfs."""
    service = match["service"]
    wanted = request.query_params.get("service", "") if service == "info/refs" else service
    try:
        actor = await run_in_threadpool(basic_actor, site, request, lfs_too=service.startswith("info/lfs/"))
    except ApiError:
        return challenge()
    project = await run_in_threadpool(find_project, site, match["project"])
    if project is None or not await run_in_threadpool(may_read, site, actor or Actor(), project):
        # Whoever has not said who they are is asked, so that nobody learns what exists.
        if actor is None:
            return challenge()
        return PlainTextResponse(
            "The project you were looking for could not be found or you don't have permission to view it.\n", 404
        )
    if match["suffix"] is None:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{site.settings.url}/{project['full_path']}.git/{service}{query}", 301)
    if service.startswith("info/lfs/"):
        return await lfs.serve(site, request, project, actor or Actor(), service.removeprefix("info/lfs/"))
    if wanted not in {"git-upload-pack", "git-receive-pack"}:
        return PlainTextResponse("Dumb HTTP is not supported; use a newer git.\n", 403)
    if wanted == "git-receive-pack":
        if actor is None:
            return challenge()
        level = await run_in_threadpool(accounts.level_in_project, site, actor.user, project)
        if not may_write(actor, project) or (actor.deploy_key is None and level < accounts.DEVELOPER):
            return PlainTextResponse("You are not allowed to push code to this project.\n", 403)
    return await _backend(site, request, project, f"/{service}", actor or Actor())


def hook_environment(project: Row, actor: Actor, protocol: str) -> dict[str, str]:
    """What the hooks tell the internal API about a push."""
    who = ""
    if actor.deploy_key is not None:
        who = f"deploy-key-{actor.deploy_key['id']}"
    elif actor.user is not None:
        who = f"user-{actor.user['id']}"
    found = {"GL_ID": who, "GL_REPOSITORY": f"project-{project['id']}", "GL_PROTOCOL": protocol}
    if actor.job is not None:
        found["GL_JOB"] = str(actor.job["id"])
    return found


async def _backend(site: Site, request: Request, project: Row, path: str, actor: Actor) -> Response:
    """Let `git http-backend` answer; request and answer are streamed."""
    headers = request.headers
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(site.settings.data),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_PROJECT_ROOT": str(site.repositories.path(project["id"])),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": request.url.query,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": headers.get("content-type", ""),
        "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
        "GIT_PROTOCOL": headers.get("git-protocol", ""),
        "REMOTE_ADDR": request.client.host if request.client else "",
        **hook_environment(project, actor, "http"),
    }
    if headers.get("content-length"):
        env["CONTENT_LENGTH"] = headers["content-length"]
    if actor.user is not None:
        env["REMOTE_USER"] = actor.user["username"]
    process = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=env,
        limit=1024 * 1024,
    )
    assert process.stdin is not None and process.stdout is not None
    feeding = asyncio.create_task(_feed(request, process.stdin))
    status, answer_headers = 200, {}
    while line := (await process.stdout.readline()).strip():
        name, _, value = line.decode().partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            answer_headers[name] = value.strip()
    return _Streamed(_drain(process, feeding), status, answer_headers)


class _Streamed(Response):
    """An answer that begins while the request still comes in: nobody else may read the request meanwhile, as
    Starlette's own streaming does to notice a client that left."""

    def __init__(self, content: AsyncIterator[bytes], status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        del self.headers["content-length"]
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._content:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _feed(request: Request, stdin: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, ClientDisconnect):
        async for chunk in request.stream():
            stdin.write(chunk)
            await stdin.drain()
    stdin.close()


async def _drain(process: asyncio.subprocess.Process, feeding: asyncio.Task[None]) -> AsyncIterator[bytes]:
    assert process.stdout is not None
    try:
        while chunk := await process.stdout.read(64 * 1024):
            yield chunk
    finally:
        feeding.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        await process.wait()


# The internal API: hooks and gitlab-shell, by a socket and a secret


def internal(site: Site, path: str, body: bytes) -> Response:
    """Answer the internal API."""
    asked: dict[str, Any] = json.loads(body or b"{}")
    match path:
        case "check":
            return JSONResponse({"output": "gitlab-standin", "version": clock.now()})
        case "authorized_keys":
            return PlainTextResponse(_authorized_keys(site, str(asked["key"])))
        case "allowed":
            return JSONResponse(_shell_access(site, asked))
        case "pre-receive":
            reasons = _pre_receive(site, asked)
            return JSONResponse({"status": not reasons, "messages": reasons})
        case "post-receive":
            return JSONResponse({"status": True, "messages": _post_receive(site, asked)})
    return JSONResponse({"message": "404 Not found"}, 404)


def _authorized_keys(site: Site, key: str) -> str:
    """The line for sshd of the one who has this key, or nothing."""
    kept = " ".join(key.split()[:2])
    for table, name in (("keys", "key"), ("deploy_keys", "deploy-key")):
        row = site.db.row(f"select * from {table} where key = ?", kept)
        if row is not None and not clock.expired(row["expires_at"]):
            return f'command="gitlab-shell {name}-{row["id"]}",restrict {kept}\n'
    return ""


def _actor_of(site: Site, who: str) -> Actor:
    """The actor behind an identity that gitlab-shell or a hook names. Raises ApiError."""
    kind, _, number = who.rpartition("-")
    if not number.isdigit():
        raise unauthorized()
    if kind == "deploy-key":
        row = site.db.row("select * from deploy_keys where id = ?", int(number))
        if row is None:
            raise unauthorized()
        return Actor(deploy_key=row)
    if kind == "key":
        row = site.db.row("select * from keys where id = ?", int(number))
        if row is None:
            raise unauthorized()
        number = row["user_id"]
    user = accounts.get_user(site, int(number))
    if user["state"] != "active":
        raise ApiError(403, {"message": "Your account has been blocked."})
    return Actor(user=user)


def _shell_access(site: Site, asked: dict[str, Any]) -> dict[str, Any]:
    """Whether an SSH key may use a repository, and where it is."""
    try:
        actor = _actor_of(site, str(asked["who"]))
    except ApiError:
        return {"status": False, "message": "Your SSH key is not known any more."}
    name = actor.user["username"] if actor.user else "a deploy key"
    if not asked.get("command"):
        return {"status": True, "user": name}
    project = find_project(site, str(asked["project"]).strip("/").removesuffix(".git"))
    if project is None or not may_read(site, actor, project):
        return {
            "status": False,
            "message": "The project you were looking for could not be found or you don't have permission to view it.",
        }
    if asked["command"] == "git-lfs-authenticate":
        if actor.user is None:
            return {"status": False, "message": "LFS by a deploy key is not supported by the lab's GitLab."}
        return {"status": True, "user": name, "answer": lfs.login_by_ssh(site, actor.user, project)}
    level = accounts.level_in_project(site, actor.user, project)
    if asked["command"] == "git-receive-pack" and (
        not may_write(actor, project) or (actor.deploy_key is None and level < accounts.DEVELOPER)
    ):
        return {"status": False, "message": "You are not allowed to push code to this project."}
    path = str(site.repositories.path(project["id"]))
    return {"status": True, "user": name, "path": path, "environment": hook_environment(project, actor, "ssh")}


def _push(site: Site, asked: dict[str, Any]) -> tuple[Row | None, Actor, list[RefChange]]:
    env = asked["environment"]
    project = find_project(site, str(env.get("GL_REPOSITORY", "")).removeprefix("project-"))
    changes = [RefChange(*line.split(" ", 2)) for line in asked["changes"]]
    try:
        return project, _actor_of(site, str(env.get("GL_ID", ""))), changes
    except ApiError:
        return project, Actor(), changes


def _pre_receive(site: Site, asked: dict[str, Any]) -> list[str]:
    project, actor, changes = _push(site, asked)
    if project is None:
        return ["GitLab: The project you were looking for could not be found."]
    # The new commits are in quarantine until the hooks agree.
    quarantine = ("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH")
    env = {name: str(asked["environment"][name]) for name in quarantine if name in asked["environment"]}
    found = [pushes.refusal(site, project, actor, change, env) for change in changes]
    return [f"GitLab: {reason}" for reason in dict.fromkeys(found) if reason]


def _post_receive(site: Site, asked: dict[str, Any]) -> list[str]:
    project, actor, changes = _push(site, asked)
    if project is None:
        return []
    if asked["environment"].get("GL_JOB"):
        # What a job pushes starts no pipelines, as with GitLab.
        return []
    return pushes.after(site, project, actor.user, changes, asked["options"])
