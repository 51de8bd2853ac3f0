"""Prunes an official provider's schema to the resources a stand-in performs, with the types these need.

`python prune_schema.py OFFICIAL.json... TOKEN... > internal/NAME/schema.json`; the tokens that each stand-in performs
are in README.md. Resources may be spread over several files of one provider.
Descriptions go: they are the official documentation's matter.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

REFERENCE = "#/types/"


def references(node: Any) -> set[str]:
    """Tokens of the types that a piece of schema names."""
    if isinstance(node, dict):
        found = {value.removeprefix(REFERENCE) for key, value in node.items() if key == "$ref"}
        return found.union(*(references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*(references(item) for item in node))
    return set()


def without_prose(node: Any) -> Any:
    """The piece of schema without what only documentation and SDK generators read."""
    if isinstance(node, dict):
        return {
            key: without_prose(value) if key not in ("properties", "inputProperties") else without_prose_each(value)
            for key, value in node.items()
            if key not in ("description", "deprecationMessage", "language", "stateInputs", "methods")
        }
    if isinstance(node, list):
        return [without_prose(item) for item in node]
    return node


def without_prose_each(properties: dict[str, Any]) -> dict[str, Any]:
    # A property may itself be called `description`: only what is inside it is pruned.
    return {name: without_prose(value) for name, value in properties.items()}


def prune(schema: dict[str, Any], tokens: list[str]) -> dict[str, Any]:
    """The schema of these resources, the provider's own configuration, and the types that they reach."""
    missing = [token for token in tokens if token not in schema["resources"]]
    if missing:
        raise SystemExit(f"no resource {', '.join(missing)}; the schema has: {', '.join(sorted(schema['resources']))}")
    kept: dict[str, Any] = {
        "name": schema["name"],
        "provider": without_prose(schema.get("provider") or {}),
        "resources": {token: without_prose(schema["resources"][token]) for token in tokens},
        "types": {},
    }
    wanted = references(kept)
    while wanted:
        token = wanted.pop()
        if token in schema["types"] and token not in kept["types"]:
            kept["types"][token] = without_prose(schema["types"][token])
            wanted |= references(kept["types"][token])
    kept["types"] = dict(sorted(kept["types"].items()))
    return kept


def merge(files: list[Path]) -> dict[str, Any]:
    """One schema of several: the first one's, with the others' resources and types."""
    merged, *others = (json.loads(file.read_text()) for file in files)
    for other in others:
        for part in ("resources", "types"):
            merged[part] |= other.get(part, {})
    return merged  # type: ignore[no-any-return]  # json's word


if __name__ == "__main__":
    files = [Path(argument) for argument in sys.argv[1:] if argument.endswith(".json")]
    tokens = [argument for argument in sys.argv[1:] if not argument.endswith(".json")]
    print(json.dumps(prune(merge(files), tokens), indent=1))
