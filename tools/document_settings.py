#!/usr/bin/env python3
"""Writes docs/settings.md from the settings' own model, so that the two cannot differ.

Usage, in the project's directory: python tools/document_settings.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import settings  # noqa: E402 - the project's directory has to be on the path first

INTRODUCTION = """# Settings

Every key of a stack, below `auto-devops:` in `Pulumi.<stack>.yaml`. Made by `tools/document_settings.py` from
`settings.py`; don't edit it by hand. A key in an object is set with `pulumi config set --path auto-devops:dns.ttl 60`,
a secret with `pulumi config set --secret --path auto-devops:registry.login.password`.

All mistakes are reported at once, before anything is changed: each with its key, what was found, what is allowed, and
the command that mends it.

| key | default | what it is |
|---|---|---|
| `domain` | required | the platform's own DNS domain, such as `devops.example.com` |
| `repair` | empty | any new value, such as today's date, runs every script on the machines again |
"""


def document() -> str:
    """The text of docs/settings.md."""
    rows = [*_rows("hosts.NAME", settings.HostSettings)]
    for name, model in settings.SECTIONS.items():
        rows += _rows(name, model)
    rows += _rows("projects[N]", settings.ProjectSettings)
    parts = [INTRODUCTION, *(f"| `{key}` | {default} | {text} |\n" for key, default, text in rows)]
    return "".join(parts)


def _rows(prefix: str, model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        key = f"{prefix}.{field.alias or name}"
        nested = _nested(field)
        text = (field.description or "").replace("|", "\\|") + _choices(field)
        if _is_secret(field):
            text += " (secret)" if "secret" not in text else ""
        yield key, _default(field), text
        if nested:
            yield from _rows(key, nested)


def _arms(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is not Literal else (field.annotation,)


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    arms = (field.annotation, *_arms(field))
    return next((arm for arm in arms if isinstance(arm, type) and issubclass(arm, BaseModel)), None)


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in (field.annotation, *_arms(field))


def _choices(field: FieldInfo) -> str:
    if get_origin(field.annotation) is not Literal:
        return ""
    return ": " + ", ".join(f"`{choice}`" for choice in get_args(field.annotation))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "see below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return "`" + ", ".join(value) + "`" if value else "empty"
    return f"`{value}`" if value != {} else "empty"


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(document())
