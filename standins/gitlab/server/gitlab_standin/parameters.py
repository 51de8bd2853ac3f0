"""A request's parameters, from query, JSON or form, with the checks and conversions that the API makes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile

from gitlab_standin.errors import ApiError, invalid, missing


class Parameters:
    """Typed reading of a request's parameters by name."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def allow_only(self, names: Iterable[str]) -> None:
        """Refuse what would be ignored: the real GitLab may know it, the stand-in does nothing with it."""
        unknown = sorted(set(self.values) - set(names))
        if unknown:
            raise ApiError(400, {"error": f"{', '.join(unknown)}: not supported by the lab's GitLab"})

    def text(self, name: str, default: str | None = None) -> str | None:
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, (dict, list, UploadFile)):
            raise invalid(name, "is invalid")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise missing(name)
        if value == "":
            raise invalid(name, "is empty")
        return value

    def choice(self, name: str, allowed: Iterable[str], default: str | None = None) -> str | None:
        value = self.text(name, default)
        if value is not None and value not in allowed:
            raise invalid(name)
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.text(name)
        if value is None or value == "":
            return default
        if not re.fullmatch(r"-?\d+", value):
            raise invalid(name, "is invalid")
        return int(value)

    def boolean(self, name: str, default: bool = False) -> bool:
        found = self.optional_boolean(name)
        return default if found is None else found

    def optional_boolean(self, name: str) -> bool | None:
        value = self.text(name)
        if value is None or value == "":
            return None
        if value.lower() in {"true", "1", "t", "yes"}:
            return True
        if value.lower() in {"false", "0", "f", "no"}:
            return False
        raise invalid(name, "is invalid")

    def strings(self, name: str) -> list[str] | None:
        """A list of strings; a text with commas is one too."""
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list):
            raise invalid(name, "is invalid")
        return [str(item) for item in value]

    def objects(self, name: str) -> list[dict[str, Any]] | None:
        value = self.values.get(name)
        if value is None:
            return None
        if isinstance(value, dict):
            value = list(value.values())
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise invalid(name, "is invalid")
        return value

    def file(self, name: str) -> UploadFile:
        value = self.values.get(name)
        if not isinstance(value, UploadFile):
            raise missing(name)
        return value


def from_query(query: str) -> dict[str, Any]:
    return _nested(parse_qsl(query, keep_blank_values=True))


def from_json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError as error:
        raise ApiError(400, {"error": "The provided params are invalid: the body is no JSON"}) from error
    if not isinstance(found, dict):
        raise ApiError(400, {"error": "The provided params are invalid: the body is no JSON object"})
    return found


def from_form(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return _nested(pairs)


def _nested(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Rack's nesting: a[]=1, a[b]=1, a[][b]=1."""
    found: dict[str, Any] = {}
    for name, value in pairs:
        first, _, rest = name.partition("[")
        keys = rest[:-1].split("][") if rest.endswith("]") else []
        if not keys:
            found[name] = value
        elif keys == [""]:
            found.setdefault(first, []).append(value)
        elif len(keys) == 1:
            found.setdefault(first, {})[keys[0]] = value
        elif len(keys) == 2 and keys[0] == "":
            items = found.setdefault(first, [])
            # A key that comes again begins the next object.
            if not items or keys[1] in items[-1]:
                items.append({})
            items[-1][keys[1]] = value
        else:
            raise invalid(name, "is invalid")
    return found
