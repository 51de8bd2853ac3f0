"""What is wrong with a stack's settings, said so that the reader can fix it.

Owns the shape of one problem, the translation of Pydantic's errors into it, and the report of all of them.
Does not own any rule about what a setting may be: those are in `settings.py` and `settings_checks.py`.
"""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

NAMESPACE = "auto-devops"


@dataclass(frozen=True, order=True)
class Problem:
    """One wrong setting. `key` is a path below the namespace, such as `hosts.dns.address`."""

    key: str
    found: str
    expected: str
    fix: str


def set_command(key: str, value: str = "VALUE", *, secret: bool = False) -> str:
    """The `pulumi config` command that sets `key`; a secret is asked for by the CLI, never written in the command."""
    path = "--path " if "." in key else ""
    if secret:
        return f"pulumi config set --secret {path}{shlex.quote(f'{NAMESPACE}:{key}')}"
    return f"pulumi config set {path}{shlex.quote(f'{NAMESPACE}:{key}')} {shlex.quote(value)}"


def remove_command(key: str) -> str:
    """The `pulumi config` command that removes `key`."""
    path = "--path " if "." in key else ""
    return f"pulumi config rm {path}{shlex.quote(f'{NAMESPACE}:{key}')}"


def rejected(expected: str, fix: str = "") -> PydanticCustomError:
    """The error that a validator raises for a value: what would be right, and optionally an own fix."""
    # The texts travel in the context, not in the message template, because they may contain braces.
    return PydanticCustomError("setting", "rejected", {"expected": expected, "fix": fix})


def shown(value: object) -> str:
    """A value as the report shows it: as JSON, shortened."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of, if any."""
    folded = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def unknown_key(key: str, value: object, known: Sequence[str]) -> Problem:
    """A key that no setting has; `key` is the full path, `known` are the names allowed at its place."""
    parent, _, name = key.rpartition(".")
    guess = near(name, known)
    prefix = f"{parent}." if parent else ""
    found = f"an unknown key, with value {_found(key, value)}"
    if guess:
        again = set_command(prefix + guess, _plain(key, value), secret=_hidden(guess))
        fix = f"rename it: {remove_command(key)} && {again}"
        return Problem(key, found, f"did you mean {prefix + guess}?", fix)
    return Problem(key, found, "one of " + ", ".join(sorted(known)), remove_command(key))


def problems_of(error: ValidationError, model: type[BaseModel] | None, prefix: str) -> list[Problem]:
    """Pydantic's errors as problems; `prefix` is the path at which `model` stands ("" for none)."""
    return [_translate(details, model, prefix) for details in error.errors(include_url=False)]


def _translate(details: ErrorDetails, model: type[BaseModel] | None, prefix: str) -> Problem:
    location = [str(part) for part in details["loc"]]
    # Pydantic's word for a name, not a value, that is wrong.
    named = location[-1:] == ["[key]"]
    location = location[:-1] if named else location
    key = ".".join([prefix, *location] if prefix else location)
    field = _field(model, location)
    example = str(field.examples[0]) if field and field.examples else "VALUE"
    kind, value = details["type"], details["input"]
    context: Mapping[str, Any] = details.get("ctx", {})
    secret = _hidden(key)

    if kind == "extra_forbidden":
        return unknown_key(key, value, _names_at(model, location[:-1]))
    if kind == "missing":
        expected = (field.description if field else None) or "a value"
        return Problem(key, "nothing", expected, set_command(key, example, secret=secret))
    if kind == "setting":
        fix = remove_command(key) if named else context["fix"] or set_command(key, example, secret=secret)
        return Problem(key, _found(key, value), context["expected"], fix)
    if kind == "literal_error":
        choices = context["expected"]
        first = choices.split("'")[1] if "'" in choices else "VALUE"
        return Problem(
            key,
            _found(key, value),
            f"one of {choices}",
            set_command(key, near(str(value), choices.split("'")[1::2]) or first),
        )
    # The rest is Pydantic's own wording of a wrong type or a number out of range.
    message = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Problem(key, _found(key, value), message, set_command(key, example, secret=secret))


def _hidden(key: str) -> bool:
    """Whether a key holds a secret, or is in an object of secrets; a slip such as "passwort" does too."""
    return "pass" in key.rsplit(".", 1)[-1].lower() or any(part.startswith("secret") for part in key.split("."))


def _found(key: str, value: object) -> str:
    return "[hidden]" if _hidden(key) else shown(value)


def _plain(key: str, value: object) -> str:
    return "VALUE" if _hidden(key) or isinstance(value, dict | list) else str(value)


def _model_at(model: type[BaseModel] | None, location: Sequence[str]) -> type[BaseModel] | None:
    for part in location:
        field = _field(model, [part])
        model = next((arm for arm in _arms(field) if issubclass(arm, BaseModel)), None) if field else None
    return model


def _arms(field: FieldInfo) -> list[type]:
    annotation = field.annotation
    arms = getattr(annotation, "__args__", None) or (annotation,)
    return [arm for arm in arms if isinstance(arm, type)]


def _field(model: type[BaseModel] | None, location: Sequence[str]) -> FieldInfo | None:
    if not location:
        return None
    if len(location) > 1:
        model = _model_at(model, location[:-1])
    if model is None:
        return None
    return next((f for n, f in model.model_fields.items() if location[-1] in (n, f.alias)), None)


def _names_at(model: type[BaseModel] | None, location: Sequence[str]) -> list[str]:
    target = _model_at(model, location)
    return [field.alias or name for name, field in target.model_fields.items()] if target else []


def report(problems: Iterable[Problem], stack: str) -> str:
    """The message that ends the program: every problem with its key, what was found, what is right, and the fix."""
    ordered = sorted(set(problems))
    count = "1 setting" if len(ordered) == 1 else f"{len(ordered)} settings"
    verb = "is" if len(ordered) == 1 else "are"
    blocks = [
        f"  {NAMESPACE}:{p.key}\n    found:    {p.found}\n    expected: {p.expected}\n    fix:      {p.fix}"
        for p in ordered
    ]
    return f"{count} of stack '{stack}' {verb} wrong; nothing was changed.\n\n" + "\n\n".join(blocks)
