"""What is wrong with a stack's settings, said so that the reader can fix it.

Owns the shape of one problem, the translation of Pydantic's errors into it, and the report of all of them.
Does not own any rule about what a setting may be: each is beside the section that it is about.
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
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


Report = Callable[[Problem], None]
"""Takes a problem that a check found; all of them are told together."""


def set_command(key: str, value: str | None = "VALUE", *, secret: bool = False) -> str:
    """The `pulumi config` command that sets `key`.

    A secret is asked for by the CLI, never written in the command; so is a `value` of None, or read from a pipe.
    """
    command = ["pulumi config set", *(["--secret"] if secret else []), _path(key)]
    return " ".join(command if secret or value is None else [*command, shlex.quote(value)])


def get_command(key: str) -> str:
    """The `pulumi config` command that prints the value of `key`."""
    return f"pulumi config get {_path(key)}"


def remove_command(key: str) -> str:
    """The `pulumi config` command that removes `key`."""
    return f"pulumi config rm {_path(key)}"


def _path(key: str) -> str:
    return ("--path " if "." in key else "") + shlex.quote(f"{NAMESPACE}:{key}")


def rejected(expected: str, fix: str = "") -> PydanticCustomError:
    """The error that a validator raises for a value: what would be right, and optionally an own fix."""
    # The texts travel in the context, not in the message template, because they may contain braces.
    return PydanticCustomError("setting", "rejected", {"expected": expected, "fix": fix})


def shown(value: object) -> str:
    """A plain value as the report shows it: as JSON, shortened, without the login that a URL may have."""
    text = re.sub(r"//[^/@\s]*@", "//[hidden]@", json.dumps(value, default=str, ensure_ascii=False))
    return _shortened(text)


def shape(value: object) -> str:
    """What a value is, without what it says: for all that may be a secret, or have one inside."""
    return _shortened(_shape(value))


def _shape(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_shape(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(_shape(item) for item in value) + "]"
        case None:
            return "nothing"
        case bool():
            return "a truth value"
        case int() | float():
            return "a number"
        case _:
            return "a text"


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else text[:117] + "..."


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is most likely a slip of, if any."""
    folded = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None


def unknown_key(key: str, value: object, known: Sequence[str]) -> Problem:
    """A key that no setting has; `key` is the full path, `known` are the names allowed at its place.

    Its value is not shown: nobody knows what it was meant to be.
    """
    parent, _, name = key.rpartition(".")
    guess = near(name, known)
    prefix = f"{parent}." if parent else ""
    found = f"an unknown key: {shape(value)}"
    if not guess:
        return Problem(key, found, "one of " + ", ".join(sorted(known)), remove_command(key))
    if isinstance(value, dict | list):
        fix = f"rename it to {guess} in the stack's file, Pulumi.STACK.yaml; or {remove_command(key)}"
    else:
        # From one command to the other: the value is neither shown nor on a command line.
        moved = set_command(prefix + guess, None, secret=_hidden(prefix + guess))
        fix = f"rename it: {get_command(key)} | {moved} && {remove_command(key)}"
    return Problem(key, found, f"did you mean {prefix + guess}?", fix)


def problems_of(
    error: ValidationError, model: type[BaseModel] | None, prefix: str, *, has_secret: bool
) -> list[Problem]:
    """Pydantic's errors as problems; `prefix` is the path at which `model` stands ("" for none).

    `has_secret` says that something below the top-level key is encrypted. Pulumi does not say what: no value is shown.
    """
    return [_translate(details, model, prefix, has_secret) for details in error.errors(include_url=False)]


def _translate(details: ErrorDetails, model: type[BaseModel] | None, prefix: str, has_secret: bool) -> Problem:
    location = [str(part) for part in details["loc"]]
    # Pydantic's word for a name, not a value, that is wrong.
    named = location[-1:] == ["[key]"]
    location = location[:-1] if named else location
    key = _key_at(prefix, details["loc"][: len(location)])
    field = _field(model, location)
    example = str(field.examples[0]) if field and field.examples else "VALUE"
    kind, value = details["type"], details["input"]
    context: Mapping[str, Any] = details.get("ctx", {})
    secret = _hidden(key)
    if secret:
        found = "[hidden]"
    else:
        found = shown(value) if not has_secret and _plain(model, location, value) else shape(value)

    if kind == "extra_forbidden":
        return unknown_key(key, value, _names_at(model, location[:-1]))
    if kind == "missing":
        expected = (field.description if field else None) or "a value"
        return Problem(key, "nothing", expected, set_command(key, example, secret=secret))
    if kind == "setting":
        fix = remove_command(key) if named else context["fix"] or set_command(key, example, secret=secret)
        return Problem(key, found, context["expected"], fix)
    if kind == "literal_error":
        choices = context["expected"]
        first = choices.split("'")[1] if "'" in choices else "VALUE"
        return Problem(
            key,
            found,
            f"one of {choices}",
            set_command(key, near(str(value), choices.split("'")[1::2]) or first),
        )
    # The rest is Pydantic's own wording of a wrong type or a number out of range.
    message = details["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return Problem(key, found, message, set_command(key, example, secret=secret))


def _key_at(prefix: str, location: Sequence[int | str]) -> str:
    """A key as `pulumi config set --path` has it: names with dots between, places in a list in brackets."""
    path = prefix
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _hidden(key: str) -> bool:
    """Whether a key holds a secret, or is in an object of secrets; a slip such as "passwort" does too."""
    return "pass" in key.rsplit(".", 1)[-1].lower() or any(part.startswith("secret") for part in key.split("."))


def _plain(model: type[BaseModel] | None, location: Sequence[str], value: object) -> bool:
    """Whether `value` is where a setting belongs that is no secret, and is no object that has other things inside."""
    if isinstance(value, dict | list):
        return False
    if field := _field(model, location):
        return not any(issubclass(arm, SecretStr) for arm in _arms(field))
    # Inside a list, or an object with names of the user's own: plain where its values have a rule; a mere text, such as
    # a CI variable's, may be anything.
    outer = _field(model, location[:-1])
    kinds = get_args(outer.annotation) if outer else ()
    return bool(kinds) and get_origin(kinds[-1]) is Annotated


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
