"""Writes TOML: the standard library only reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def dump(table: Mapping[str, Any], path: str = "") -> str:
    """The text of a table of strings, numbers, booleans, lists of them, tables and lists of tables."""
    plain, below = [], []
    for key, value in table.items():
        inner = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            below.append(f"\n[{inner}]\n{dump(value, inner)}")
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            below += [f"\n[[{inner}]]\n{dump(each, inner)}" for each in value]
        else:
            plain.append(f"{key} = {_value(value)}\n")
    return "".join(plain + below)


def _value(value: Any) -> str:
    if isinstance(value, (bool, int, str, list)):
        # JSON's texts, numbers, booleans and lists are TOML's too, but for DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(f"no TOML for {value!r}")
