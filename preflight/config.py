"""A stack's settings without its program: Pulumi's CLI reads them.

Owns the call of the CLI. What the values mean is read by `settings`, as the program does.
"""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from settings import SettingsError, Stack, parse
from settings.problems import NAMESPACE, report


class NotRead(Exception):
    """The settings could not be read, or are wrong; the text is for people."""


def read(stack: str | None, config_file: str | None) -> tuple[str, Stack]:
    """The name and settings of `stack`, or of the one that is selected. Raises NotRead."""
    chosen = ["--stack", stack] if stack else []
    file = ["--config-file", config_file] if config_file else []
    with ThreadPoolExecutor(max_workers=2) as threads:
        name = threads.submit(lambda: stack or _pulumi("stack", "--show-name").strip())
        values = threads.submit(_pulumi, "config", "--json", "--show-secrets", *chosen, *file)
        return name.result(), _parsed(name.result(), json.loads(values.result()))


def _parsed(stack: str, values: dict[str, dict[str, Any]]) -> Stack:
    prefix = f"{NAMESPACE}:"
    own = {key.removeprefix(prefix): entry for key, entry in values.items() if key.startswith(prefix)}
    config = {key: entry["value"] for key, entry in own.items() if "value" in entry}
    try:
        return parse(config, {key for key, entry in own.items() if entry.get("secret")})
    except SettingsError as error:
        raise NotRead(report(error.problems, stack)) from None


def _pulumi(*arguments: str) -> str:
    command = ["pulumi", *arguments, "--non-interactive"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NotRead("pulumi is not on PATH; it knows the stack's settings.") from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        raise NotRead(f"`{' '.join(command)}` failed:\n{said}")
    return done.stdout
