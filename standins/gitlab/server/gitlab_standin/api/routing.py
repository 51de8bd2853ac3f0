"""Routes of the API, and what a handler gets: who asks, the path's segments, the parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gitlab_standin import accounts, parameters
from gitlab_standin.accounts import Actor
from gitlab_standin.database import Database, Row
from gitlab_standin.errors import ApiError, forbidden, not_found, unauthorized
from gitlab_standin.parameters import Parameters
from gitlab_standin.site import Site

_PAGING = {"page", "per_page", "pagination", "order_by", "sort", "cursor", "private_token"}


@dataclass
class Context:
    """One request to the API."""

    site: Site
    request: Request
    segments: dict[str, str]
    parameters: Parameters
    body: bytes

    @property
    def db(self) -> Database:
        return self.site.db

    @cached_property
    def actor(self) -> Actor:
        """Who asks. Raises 401 for a wrong token; no token at all is an actor without user."""
        headers = self.request.headers
        token = headers.get("private-token") or self.parameters.text("private_token")
        scheme, _, credential = headers.get("authorization", "").partition(" ")
        if token is None and scheme.lower() == "bearer":
            token = credential
        if token:
            return accounts.authenticate_token(self.site, token)
        job_token = headers.get("job-token")
        if job_token:
            return accounts.authenticate_job(self.site, job_token)
        return Actor()

    @property
    def user(self) -> Row:
        """The user who asks, by a token for the API. Jobs are no users here. Raises 401 or 403."""
        actor = self.actor
        if actor.job is not None:
            raise forbidden("a job token is not allowed to access this resource")
        if actor.user is None:
            raise unauthorized()
        actor.need_scope("api", *(["read_api"] if self.request.method in {"GET", "HEAD"} else []))
        return actor.user

    def admin(self) -> Row:
        """The user who asks, who must be an administrator."""
        user = self.user
        if not user["admin"]:
            raise forbidden()
        return user

    def project(self, level: int = accounts.GUEST, public: bool = False, jobs: bool = False) -> Row:
        """The project of the path's `:id`. Raises 404 where it can't be seen, 403 below the level.

        `public`: anyone who sees the project may; `jobs`: so may a job of this very project.
        """
        actor = self.actor
        project = find_project(self.site, self.segments["id"])
        if jobs and actor.job is not None:
            if project is None or actor.job["project_id"] != project["id"]:
                raise not_found("Project")
            return project
        if actor.user is not None:
            _ = self.user
        elif not public:
            raise unauthorized()
        if project is None or not accounts.can_see_project(self.site, actor, project):
            raise not_found("Project")
        if not accounts.may(self.site, actor, project, level, public):
            raise forbidden()
        return project

    def project_for_reading(self) -> Row:
        """The project of the path's `:id`, for who may read its code."""
        project = self.project(public=True, jobs=True)
        if self.actor.job is None and not accounts.may(self.site, self.actor, project, accounts.REPORTER):
            visible = project["attributes"].get("visibility", "private") == "public"
            if not visible and not accounts.may(self.site, self.actor, project, accounts.GUEST, public=True):
                raise forbidden()
        return project

    def named_user(self) -> Row:
        """The user of the path's `:user_id`."""
        found = self.db.row("select * from users where id = ?", self.integer("user_id", "User"))
        if found is None:
            raise not_found("User")
        return found

    def group(self, level: int = accounts.GUEST) -> Row:
        """The group of the path's `:id`."""
        user = self.user
        group = find_group(self.site, self.segments["id"])
        if group is None:
            raise not_found("Group")
        found = accounts.level_in_namespace(self.site, user, group["id"])
        if found < level:
            visible = group["attributes"].get("visibility", "private") != "private"
            raise forbidden() if found or visible else not_found("Group")
        return group

    def integer(self, segment: str, what: str) -> int:
        """A number in the path; anything else does not exist."""
        text = self.segments[segment]
        if not text.isdigit():
            raise not_found(what)
        return int(text)

    def page(self, items: list[Any], show: Callable[[Any], Any]) -> Response:
        """One page of a list, with GitLab's headers."""
        number = max(1, self.parameters.integer("page", 1) or 1)
        size = min(max(1, self.parameters.integer("per_page", 20) or 20), 100)
        total, pages = len(items), max(1, -(-len(items) // size))
        shown = [show(item) for item in items[(number - 1) * size : number * size]]
        headers = {
            "X-Page": str(number),
            "X-Per-Page": str(size),
            "X-Total": str(total),
            "X-Total-Pages": str(pages),
            "X-Prev-Page": str(number - 1) if number > 1 else "",
            "X-Next-Page": str(number + 1) if number < pages else "",
        }
        path = self.request.scope["raw_path"].decode()
        query = {k: v for k, v in self.request.query_params.items() if k not in {"page", "per_page", "private_token"}}
        links = []
        for name, target in {"prev": number - 1, "next": number + 1, "first": 1, "last": pages}.items():
            if 1 <= target <= pages:
                full = urlencode({**query, "page": target, "per_page": size})
                links.append(f'<{self.site.settings.url}{path}?{full}>; rel="{name}"')
        headers["Link"] = ", ".join(links)
        return JSONResponse(shown, headers=headers)


Handler = Callable[[Context], Any]


@dataclass(frozen=True)
class Route:
    method: str
    parts: tuple[str, ...]
    accepts: frozenset[str]
    status: int
    handler: Handler

    def match(self, parts: list[str]) -> dict[str, str] | None:
        if len(parts) != len(self.parts):
            return None
        found = {}
        for wanted, part in zip(self.parts, parts, strict=True):
            if wanted.startswith(":"):
                found[wanted[1:]] = part
            elif wanted != part:
                return None
        return found


ROUTES: list[Route] = []


def route(method: str, path: str, accepts: str = "", status: int | None = None) -> Callable[[Handler], Handler]:
    """Register a handler; `accepts` names its parameters, beside those of paging."""
    default = {"POST": 201, "DELETE": 204}.get(method, 200)

    def register(handler: Handler) -> Handler:
        parts = tuple(path.strip("/").split("/"))
        ROUTES.append(Route(method, parts, frozenset(accepts.split()), status or default, handler))
        return handler

    return register


async def answer(site: Site, request: Request, path: str) -> Response:
    """Answer a request to /api/v4; `path` is the raw rest of the path."""
    try:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        method = "GET" if request.method == "HEAD" else request.method
        matching = [found for found in ROUTES if found.match(parts) is not None]
        # A route that names the segment goes before one that takes any.
        matching.sort(key=lambda found: sum(part.startswith(":") for part in found.parts))
        for candidate in matching:
            if candidate.method != method:
                continue
            values = parameters.from_query(request.url.query)
            body = await _body(request, values)
            context = Context(site, request, candidate.match(parts) or {}, Parameters(values), body)
            # Chunks of logs are no parameters.
            if "*" not in candidate.accepts:
                context.parameters.allow_only(candidate.accepts | _PAGING | context.segments.keys())
            found = await run_in_threadpool(candidate.handler, context)
            return _response(found, candidate.status)
        if matching:
            return JSONResponse({"error": "405 Not Allowed"}, 405)
        return JSONResponse({"error": "404 Not Found"}, 404)
    except ApiError as error:
        return JSONResponse(error.body, error.status, headers=error.headers)


async def _body(request: Request, values: dict[str, Any]) -> bytes:
    """Read a body; JSON and forms become parameters."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        form = await request.form(max_files=10, max_fields=10000, max_part_size=16 * 1024 * 1024)
        values.update(parameters.from_form(form.multi_items()))
        return b""
    body = await request.body()
    if kind == "application/json" and body:
        values.update(parameters.from_json(body))
        return b""
    return body


def _response(found: Any, status: int) -> Response:
    if isinstance(found, Response):
        return found
    if status == 204 or found is None:
        return Response(status_code=204 if status == 204 else status)
    return JSONResponse(found, status)


def find_project(site: Site, id_or_path: str) -> Row | None:
    """A project by number or full path."""
    if id_or_path.isdigit():
        return site.db.row("select * from projects where id = ?", int(id_or_path))
    return site.db.row("select * from projects where full_path = ?", id_or_path)


def find_group(site: Site, id_or_path: str) -> Row | None:
    """A group by number or full path."""
    column = "id" if id_or_path.isdigit() else "full_path"
    return site.db.row(f"select * from namespaces where kind = 'group' and {column} = ?", id_or_path)


def encoded(text: str) -> str:
    """A path segment as it stands in a URL."""
    return quote(text, safe="")
