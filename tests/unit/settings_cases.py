"""What the tests of settings share: how good settings are spoilt, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import settings
from settings.problems import Problem

Config = dict[str, Any]
Spoil = Callable[[Config], None]
Bad = tuple[Spoil, str, str, str]
"""What is done to good settings; the key that must be named; words of what is expected; words of the fix."""
HELLO = {"group": "team", "name": "hello", "pipeline": "custom"}
"""A project."""


def problems(config: Config, secret_keys: set[str] | None = None) -> list[Problem]:
    """What `parse` says is wrong; fails where nothing is."""
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse(config, secret_keys or set())
    return caught.value.problems


def put(path: str, value: object) -> Spoil:
    """Sets a nested key."""

    def spoil(config: Config) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            config = config.setdefault(parent, {})
        config[last] = value

    return spoil


def drop(path: str) -> Spoil:
    """Removes a nested key."""

    def spoil(config: Config) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            config = config[parent]
        del config[last]

    return spoil


def require_named(good: Config, bad: Bad) -> None:
    """Spoilt settings have a problem of the key, with the words."""
    spoil, key, expected, fix = bad
    spoil(good)
    found = problems(good)
    named = [p for p in found if p.key == key]
    assert named, f"no problem of {key} in {found}"
    assert any(expected in p.expected and fix in p.fix for p in named), named


def own(config: Config, certificate: Path, key: Path, passphrase: str | None = None) -> None:
    """Makes the CA one brought along."""
    config["ca"] = {"own": {"certificateFile": str(certificate), "keyFile": str(key)}}
    if passphrase is not None:
        config["ca"]["own"]["passphrase"] = passphrase


def several(*spoils: Spoil) -> Spoil:
    """All of them, one after the other."""

    def spoil(config: Config) -> None:
        for each in spoils:
            each(config)

    return spoil
