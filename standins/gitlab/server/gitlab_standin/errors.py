"""Answers that end a request, worded as GitLab words them."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than success; `body` is the JSON that the client gets."""

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers or {}


def not_found(what: str | None = None) -> ApiError:
    """404, as `404 Project Not Found`."""
    return ApiError(404, {"message": f"404 {what} Not Found" if what else "404 Not found"})


def forbidden(reason: str | None = None) -> ApiError:
    return ApiError(403, {"message": f"403 Forbidden - {reason}" if reason else "403 Forbidden"})


def unauthorized() -> ApiError:
    return ApiError(401, {"message": "401 Unauthorized"})


def bad_request(message: Any) -> ApiError:
    """400 with a reason, or with reasons by attribute."""
    return ApiError(400, {"message": message})


def missing(name: str) -> ApiError:
    """400 for a parameter that is required, as Grape says it."""
    return ApiError(400, {"error": f"{name} is missing"})


def invalid(name: str, why: str = "does not have a valid value") -> ApiError:
    """400 for a parameter's value, as Grape says it."""
    return ApiError(400, {"error": f"{name} {why}"})


def unsupported(what: str) -> ApiError:
    """501: the real GitLab could do this, the stand-in can't."""
    return ApiError(501, {"message": f"501 {what} is not supported by the lab's GitLab"})
