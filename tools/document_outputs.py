#!/usr/bin/env python3
"""Writes what is told about the stack's outputs from their own model, so that the two cannot differ.

That is docs/outputs.md, and the reader for programs in TypeScript, outputs/typescript/platform.ts.

Usage, in the project's directory: lab/bootstrap.sh --python tools/document_outputs.py
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import jinja2

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from outputs import sentences  # noqa: E402 - the project's directory has to be on the path first
from outputs.model import OUTPUTS, PARTS, Described, Part, Told, described  # noqa: E402

INTRODUCTION = """# Outputs

What a stack tells people and other stacks. Made by `tools/document_outputs.py` from `outputs/model.py`; don't edit it
by hand. `pulumi stack output` shows all of them, `pulumi stack output kubeconfig --show-secrets` one that is secret.

An output stays as it is here: other people's stacks read it. A version is the year and month of the program's commit
(`git log -1 --date=format:%Y.%m --format=%cd`).
"""

USE = """
## From another stack's program

    import pulumi
    from outputs import Platform

    platform = Platform(pulumi.StackReference("organization/auto-devops/home"))
    pulumi.export("registry", platform.registry_url)

`Platform` has all outputs, by their names in snake_case. Each is a `pulumi.Output` of its type: numbers are whole,
secrets stay secret, null is `None`. An object is a Pydantic model: `platform.docker_client.key` is an Output too, and
`model_dump(by_alias=True)` makes a dictionary of it. `outputs/` is all that this takes, with `pulumi` and `pydantic`:
copy it into the program, called as you like, or have auto-devops' directory in `PYTHONPATH`.

Resources in the cluster:

    from outputs.kubernetes import provider

    cluster = provider(platform)
    Namespace("mine", opts=pulumi.ResourceOptions(provider=cluster))

This provider knows the cluster by its address: a renewed kubeconfig replaces nothing. For the same a
`kubernetes.Provider` of your own needs `cluster_identifier=platform.kubernetes_endpoint`.

The same in TypeScript, with a copy of [platform.ts](../outputs/typescript/platform.ts):

    import { Platform } from "./platform";

    const platform = new Platform(new pulumi.StackReference("organization/auto-devops/home"));
    export const registry = platform.registryUrl;
    const cluster = new kubernetes.Provider("cluster", platform.providerArgs());

An output that cannot be had ends the program in a sentence that says why and what to do, where it is asked for:

- The stack is not made yet, or was made by an older version, or has no GitLab or no cluster.
- It is a secret and cannot be decrypted: both stacks need the same passphrase (`PULUMI_CONFIG_PASSPHRASE`), or you need
  access to the stack's key. Pulumi by itself hands over an empty object then, and goes on.
"""


def document() -> str:
    """The text of docs/outputs.md."""
    parts = [INTRODUCTION]
    for part in PARTS:
        needs = f" (`{part.NEEDS[1]}`)" if part.NEEDS else ""
        parts += [f"\n## {_title(part)}{needs}\n\n", "| output | type | what it is | since |\n|---|---|---|---|\n"]
        for output in described(part):
            parts += [f"| {' | '.join(row)} |\n" for row in _rows(output.name, output)]
    return "".join([*parts, USE])


def reader() -> str:
    """The text of outputs/typescript/platform.ts."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    template = environment.from_string((ROOT / "tools/platform.ts.j2").read_text())
    return template.render(
        objects=[
            {"name": model.__name__, "kind": _kind(model), "title": _title(model), "fields": _fields(model)}
            for model in _objects()
        ],
        outputs=[
            key | {"absent": _absent(output), "marks": _marks(output)}
            for key, output in ((_key(output), output) for output in OUTPUTS.values())
        ],
        parts=[
            {
                "absent": _lower(part.__name__),
                "missing": _literal(sentences.missing("${stack}", "${output}", "${since}", part.NEEDS)),
            }
            for part in PARTS
        ],
        sentences={
            "empty": _literal(sentences.empty("${stack}", "${output}")),
            "encrypted": _literal(sentences.encrypted("${stack}", "${output}")),
            "unexpected": _literal(sentences.unexpected("${stack}", "${output}", "${found}")),
        },
    )


def _rows(name: str, output: Described) -> Iterator[tuple[str, ...]]:
    """The rows of an output and of what is in it."""
    text = (output.field.description or "") + "".join(f", such as `{each}`" for each in _examples(output))
    kind = _words(output.type) + (" or null" if output.nullable else "") + (", secret" if output.secret else "")
    yield f"`{name}`", kind, text.replace("|", "\\|"), output.since
    if nested := _nested(output.type):
        prefix = f"{name}.NAME" if output.by_name else name
        for key in described(nested):
            yield from _rows(f"{prefix}.{key.name}", key)


def _examples(output: Described) -> Iterator[str]:
    for example in output.field.examples or []:
        if not str(example).endswith("…"):
            yield example if isinstance(example, str) else json.dumps(example)


def _words(type_: Any) -> str:
    if type_ in (str, int):
        return {str: "text", int: "number"}[type_]
    inner = _words(get_args(type_)[-1]) + "s" if get_args(type_) else ""
    return {list: f"list of {inner}", dict: f"{inner} by name"}.get(get_origin(type_), "object")


def _typescript(type_: Any) -> str:
    if type_ in (str, int):
        return {str: "string", int: "number"}[type_]
    inner = _typescript(get_args(type_)[-1]) if get_args(type_) else ""
    types = {list: f"readonly {inner}[]", dict: f"{{ readonly [name: string]: {inner} }}"}
    return types.get(get_origin(type_)) or str(type_.__name__)


def _kind(type_: Any) -> str:
    """The function of platform.ts that makes a value of a type."""
    if type_ in (str, int):
        return {str: "text", int: "whole"}[type_]
    inner = _kind(get_args(type_)[-1]) if get_args(type_) else ""
    return {list: f"listOf({inner})", dict: f"byName({inner})"}.get(get_origin(type_)) or _lower(type_.__name__)


def _key(output: Described) -> dict[str, str]:
    description = f"{output.field.description}"
    if issubclass(output.part, Part):
        where = f", in stacks with {output.needs[0]}" if output.needs else ""
        description = f"{description[0].upper()}{description[1:]}. Since {output.since}{where}."
    type_ = _typescript(output.type) + (" | undefined" if output.nullable else "")
    return {"name": output.name, "type": type_, "kind": _kind(output.type), "description": description}


def _fields(model: type[Told]) -> list[dict[str, str]]:
    return [_key(key) for key in described(model)]


def _absent(output: Described) -> str:
    return "nothing" if output.nullable else f'{_lower(output.part.__name__)}("{output.since}")'


def _marks(output: Described) -> str:
    marks = [f"{name}: true" for name, has in (("secret", output.secret), ("byName", output.by_name)) if has]
    return f", {{ {', '.join(marks)} }}" if marks else ""


def _objects() -> list[type[Told]]:
    found = (_nested(output.type) for output in OUTPUTS.values())
    return list(dict.fromkeys(model for model in found if model))


def _nested(type_: Any) -> type[Told] | None:
    arms = (type_, *get_args(type_))
    return next((arm for arm in arms if inspect.isclass(arm) and issubclass(arm, Told)), None)


def _title(model: type[Told]) -> str:
    return (model.__doc__ or "").partition("\n")[0].rstrip(".")


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _literal(text: str) -> str:
    """`text` between the backticks of a template literal, with its `${…}` as they are."""
    return text.replace("\\", "\\\\").replace("`", "\\`")


if __name__ == "__main__":
    (ROOT / "docs" / "outputs.md").write_text(document())
    (ROOT / "outputs" / "typescript" / "platform.ts").write_text(reader())
