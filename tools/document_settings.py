#!/usr/bin/env python3
"""Writes what is told about the settings from their own models, so that the two cannot differ.

That is docs/settings.md, and in Pulumi.yaml all below `config:`.

Usage, in the project's directory: lab/bootstrap.sh --python tools/document_settings.py
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from settings.machines import HostSettings  # noqa: E402 - the project's directory has to be on the path first
from settings.projects import ProjectSettings  # noqa: E402
from settings.sections import HOSTS, PROJECTS, REQUIRED, SECTIONS, TEXTS  # noqa: E402

INTRODUCTION = """# Settings

Every key of a stack, below `auto-devops:` in `Pulumi.<stack>.yaml`. Made by `tools/document_settings.py` from
`settings/`; don't edit it by hand. A key in an object is set with `pulumi config set --path auto-devops:dns.ttl 60`,
a secret with `pulumi config set --secret --path auto-devops:registry.login.password`.

All mistakes are reported at once, before anything is changed: each with its key, what was found, what is allowed, and
the command that mends it.

| key | default | what it is |
|---|---|---|
"""


def document() -> str:
    """The text of docs/settings.md."""
    rows = [(key, "required" if key in REQUIRED else "empty", text) for key, text in TEXTS.items()]
    rows += _rows("hosts.NAME", HostSettings)
    for name, model in SECTIONS.items():
        rows += _rows(name, model)
    rows += _rows("projects[N]", ProjectSettings)
    parts = [INTRODUCTION, *(f"| `{key}` | {default} | {text} |\n" for key, default, text in rows)]
    return "".join(parts)


def schema(pulumi_yaml: str) -> str:
    """The text of Pulumi.yaml, with all below `config:` made anew."""
    head, _, _ = pulumi_yaml.partition("\nconfig:\n")
    entries = [_entry(key, "string", _sentence(text, key in REQUIRED), '""') for key, text in TEXTS.items()]
    entries.append(_entry(HOSTS, "object", f"The machines, by a name of your choice: {_keys(HostSettings)}. Required."))
    entries += [_entry(key, "object", f"{_title(model)}: {_keys(model)}.") for key, model in SECTIONS.items()]
    entries.append(_entry(PROJECTS, "array", f"The projects in GitLab, each with {_keys(ProjectSettings)}.", "[]"))
    return f"{head}\nconfig:\n{''.join(entries)}"


def _entry(key: str, kind: str, description: str, default: str = "{}") -> str:
    lines = [f"{key}:", f"  type: {kind}"]
    if kind == "array":
        lines += ["  items:", "    type: object"]
    # No dash or slash of a value becomes the end of a line: YAML would put a space behind it.
    folded = textwrap.wrap(description, 114, break_on_hyphens=False, break_long_words=False)
    lines += ["  description: >-", *(f"    {line}" for line in folded), f"  default: {default}"]
    return textwrap.indent("".join(f"{line}\n" for line in lines), "  ")


def _sentence(text: str, required: bool) -> str:
    return f"{text[0].upper()}{text[1:]}.{' Required.' if required else ''}"


def _title(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").partition("\n")[0].rstrip(".")


def _keys(model: type[BaseModel]) -> str:
    return ", ".join(f"{field.alias or name} ({_brief(field)})" for name, field in model.model_fields.items())


def _brief(field: FieldInfo) -> str:
    """What a key's value is by default; of an object, which keys are in it."""
    nested = _nested(field)
    default = ", ".join(each.alias or name for name, each in nested.model_fields.items()) if nested else ""
    default = default or _default(field).strip("`")
    return f"{default}; secret" if _is_secret(field) else default


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
    project = ROOT / "Pulumi.yaml"
    project.write_text(schema(project.read_text()))
