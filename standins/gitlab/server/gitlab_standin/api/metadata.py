"""What the server says about itself."""

from __future__ import annotations

from typing import Any

from gitlab_standin import VERSION
from gitlab_standin.api.routing import Context, route
from gitlab_standin.errors import unauthorized


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
