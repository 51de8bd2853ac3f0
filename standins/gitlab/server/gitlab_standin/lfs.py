"""Git LFS: the batch API, and objects kept in the installation's storage."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from gitlab_standin import accounts
from gitlab_standin.accounts import Actor
from gitlab_standin.database import Row
from gitlab_standin.site import Site

_TYPE = "application/vnd.git-lfs+json"
_TICKET, _TICKET_SECONDS = "lfs", 7200
"""As long as GitLab's own."""


def login_by_ssh(site: Site, user: Row, project: Row) -> dict[str, Any]:
    """What git-lfs-authenticate answers someone with an SSH key: where to ask by HTTPS, and as whom."""
    ticket = site.vault.ticket(_TICKET, user["id"], _TICKET_SECONDS)
    basic = base64.b64encode(f"{user['username']}:{ticket}".encode()).decode()
    return {
        "href": f"{site.settings.url}/{project['full_path']}.git/info/lfs",
        "header": {"Authorization": f"Basic {basic}"},
        "expires_in": _TICKET_SECONDS,
    }


def authenticate(site: Site, secret: str) -> Actor | None:
    """The actor of such a login's secret, or None where it is none."""
    user = accounts.find_user(site, site.vault.ticket_user(_TICKET, secret))
    return Actor(user=user) if user and user["state"] == "active" else None


async def serve(site: Site, request: Request, project: Row, actor: Actor, path: str) -> Response:
    """Answer git-lfs. The caller has checked that the actor may read."""
    if not site.settings.lfs_enabled or not project["attributes"].get("lfs_enabled", True):
        return _message(501, "Git LFS is not enabled on this GitLab server, contact your admin.")
    level = await run_in_threadpool(accounts.level_in_project, site, actor.user, project)
    scoped = actor.token is None or bool(actor.scopes & {"api", "write_repository"})
    may_write = actor.job is None and scoped and level >= accounts.DEVELOPER
    if path == "objects/batch" and request.method == "POST":
        asked = json.loads(await request.body())
        if asked.get("operation") == "upload" and not may_write:
            return _message(403, "Access forbidden. Check your access level.")
        return await run_in_threadpool(_batch, site, project, asked, request.headers.get("authorization"))
    match = re.fullmatch(r"objects/([0-9a-f]{64})", path)
    if match and request.method == "GET":
        file = _file(site, match[1])
        known = site.db.row("select 1 from lfs_objects where project_id = ? and oid = ?", project["id"], match[1])
        if known is None or not file.exists():
            return _message(404, "Not found.")
        return FileResponse(file, media_type="application/octet-stream")
    if match and request.method == "PUT":
        if not may_write:
            return _message(403, "Access forbidden. Check your access level.")
        return await _upload(site, request, project, match[1])
    return _message(501, f"{request.method} {path} is not supported by the lab's GitLab")


def _batch(site: Site, project: Row, asked: dict[str, Any], authorization: str | None) -> Response:
    upload = asked.get("operation") == "upload"
    header = {"Authorization": authorization} if authorization else {}
    objects = []
    for entry in asked.get("objects", []):
        oid, size = str(entry["oid"]), int(entry["size"])
        found: dict[str, Any] = {"oid": oid, "size": size, "authenticated": True}
        there = site.db.row("select * from lfs_objects where project_id = ? and oid = ?", project["id"], oid)
        link = {"href": f"{site.settings.url}/{project['full_path']}.git/info/lfs/objects/{oid}", "header": header}
        if upload and there is None:
            found["actions"] = {"upload": link}
        elif not upload and there is not None:
            found["actions"] = {"download": link}
        elif not upload:
            found["error"] = {"code": 404, "message": "Object does not exist on the server"}
        objects.append(found)
    return JSONResponse({"transfer": "basic", "objects": objects}, media_type=_TYPE)


async def _upload(site: Site, request: Request, project: Row, oid: str) -> Response:
    file = _file(site, oid)
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{oid}.{project['id']}.part")
    digest = hashlib.sha256()
    with draft.open("wb") as target:
        async for chunk in request.stream():
            digest.update(chunk)
            target.write(chunk)
    if digest.hexdigest() != oid:
        draft.unlink()
        return _message(422, "The object's content does not have the id that was announced.")
    draft.rename(file)
    site.db.execute(
        "insert or ignore into lfs_objects (project_id, oid, size) values (?, ?, ?)",
        project["id"],
        oid,
        file.stat().st_size,
    )
    return Response(status_code=200)


def _file(site: Site, oid: str) -> Path:
    return site.settings.lfs_objects / oid[:2] / oid[2:4] / oid[4:]


def _message(status: int, text: str) -> Response:
    return JSONResponse({"message": text}, status, media_type=_TYPE)
