"""Pages for people: projects, pipelines and job logs, after a login with password or token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from gitlab_standin import accounts, vault
from gitlab_standin.accounts import Actor
from gitlab_standin.api.projects import clone_urls
from gitlab_standin.api.routing import find_group, find_project
from gitlab_standin.ci import progress, traces
from gitlab_standin.database import Row
from gitlab_standin.errors import ApiError
from gitlab_standin.site import Site

_COOKIE, _SESSION_SECONDS = "_gitlab_session", 86400
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("pages")),
    autoescape=select_autoescape(default=True, default_for_string=True),
)
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|section_(?:start|end):\d+:[^\r\n]*\r")
# When a line was written, by whom, and that it goes on the one before: the runner puts it before each line.
_STAMP = re.compile(r"(?:\n\S+Z \d\d[OE]\+|(?:^|(?<=\n))\S+Z \d\d[OE] )")


def _readable(log: str) -> str:
    return _ANSI.sub("", _STAMP.sub("", log)).replace("\r", "")


@dataclass(frozen=True)
class _Viewer:
    site: Site
    user: Row

    def show(self, page: str, status: int = 200, **values: Any) -> Response:
        return HTMLResponse(_PAGES.get_template(page).render(user=self.user, site=self.site.settings, **values), status)

    def sees(self, project: Row) -> bool:
        return accounts.can_see_project(self.site, Actor(user=self.user), project)


async def serve(site: Site, request: Request) -> Response:
    """Answer a browser."""
    path = request.url.path
    if path == "/help":
        return PlainTextResponse("GitLab (the lab's stand-in)")
    if path == "/robots.txt":
        return PlainTextResponse("User-agent: *\nDisallow: /\n")
    if path == "/users/sign_in":
        form = dict(await request.form()) if request.method == "POST" else {}
        return await run_in_threadpool(_sign_in, site, request, {k: str(v) for k, v in form.items()})
    if path == "/users/sign_out":
        response = RedirectResponse("/users/sign_in", 302)
        response.delete_cookie(_COOKIE)
        return response
    if request.method not in {"GET", "HEAD"}:
        return PlainTextResponse("Not found", 404)
    return await run_in_threadpool(_page, site, request, path)


def _sign_in(site: Site, request: Request, form: dict[str, str]) -> Response:
    target = form.get("target") or request.query_params.get("target") or "/"
    if not target.startswith("/") or target.startswith("//"):
        target = "/"
    if request.method == "POST":
        user = _login(site, form.get("user[login]", ""), form.get("user[password]", ""))
        if user is not None:
            response = RedirectResponse(target, 302)
            cookie = site.vault.ticket("session", user["id"], _SESSION_SECONDS)
            response.set_cookie(_COOKIE, cookie, max_age=_SESSION_SECONDS, secure=True, httponly=True, samesite="lax")
            return response
    page = _PAGES.get_template("sign_in.html")
    failed = request.method == "POST"
    return HTMLResponse(page.render(target=target, failed=failed, site=site.settings), 401 if failed else 200)


def _login(site: Site, name: str, secret: str) -> Row | None:
    """The user of a name with their password, or with a token of theirs for the API."""
    user = site.db.row("select * from users where (username = ? or email = ?) and state = 'active'", name, name)
    if user is None:
        return None
    if vault.password_matches(secret, user["password"]):
        return user
    try:
        actor = accounts.authenticate_token(site, secret)
    except ApiError:
        return None
    same = actor.user is not None and actor.user["id"] == user["id"]
    return user if same and actor.scopes & {"api", "read_api"} else None


def _page(site: Site, request: Request, path: str) -> Response:
    user_id = site.vault.ticket_user("session", request.cookies.get(_COOKIE, ""))
    user = site.db.row("select * from users where id = ? and state = 'active'", user_id) if user_id else None
    if user is None:
        return RedirectResponse(f"/users/sign_in?target={quote(path)}", 302)
    viewer = _Viewer(site, user)
    if path == "/":
        projects = [row for row in site.db.rows("select * from projects order by full_path") if viewer.sees(row)]
        return viewer.show("projects.html", title="Projects", projects=[_summary(site, row) for row in projects])
    place, _, rest = path.strip("/").partition("/-/")
    project = find_project(site, place) if not place.isdigit() else None
    if project is not None and viewer.sees(project):
        return _project_page(viewer, project, rest)
    group = find_group(site, place.removeprefix("groups/"))
    if group is not None and not rest:
        inside = site.db.rows(
            "select * from projects where full_path like ? || '/%' order by full_path", group["full_path"]
        )
        shown = [_summary(site, row) for row in inside if viewer.sees(row)]
        if shown or accounts.level_in_namespace(site, user, group["id"]):
            return viewer.show("projects.html", title=group["full_path"], projects=shown)
    return viewer.show("not_found.html", 404)


def _project_page(viewer: _Viewer, project: Row, rest: str) -> Response:
    site = viewer.site
    kind, _, number = rest.partition("/")
    if not rest:
        latest = site.db.rows("select * from pipelines where project_id = ? order by id desc limit 5", project["id"])
        environments = site.db.rows("select * from environments where project_id = ? order by name", project["id"])
        return viewer.show(
            "project.html", project=project, pipelines=latest, environments=environments, urls=clone_urls(site, project)
        )
    if kind == "pipelines" and not number:
        rows = site.db.rows("select * from pipelines where project_id = ? order by id desc limit 100", project["id"])
        return viewer.show("pipelines.html", project=project, pipelines=rows)
    if kind == "pipelines" and number.isdigit():
        row = site.db.row("select * from pipelines where id = ? and project_id = ?", int(number), project["id"])
        if row is not None:
            jobs = progress.current_jobs(site, row["id"])
            stages = {job["stage"]: [other for other in jobs if other["stage"] == job["stage"]] for job in jobs}
            return viewer.show("pipeline.html", project=project, pipeline=row, stages=stages)
    if kind == "jobs":
        number, _, raw = number.partition("/")
        row = site.db.row(
            "select * from jobs where id = ? and project_id = ?", int(number) if number.isdigit() else 0, project["id"]
        )
        if row is not None:
            content = traces.read(site.settings, row).decode(errors="replace")
            if raw == "raw":
                return PlainTextResponse(content)
            return viewer.show("job.html", project=project, job=row, log=_readable(content))
    return viewer.show("not_found.html", 404)


def _summary(site: Site, project: Row) -> dict[str, Any]:
    latest = site.db.row("select * from pipelines where project_id = ? order by id desc limit 1", project["id"])
    return {"full_path": project["full_path"], "name": project["name"], "pipeline": latest}
