"""The identity of a runner's machine, kept beside config.toml."""

from __future__ import annotations

import secrets
import string
from pathlib import Path

from .logs import warn


def system_id(folder: Path) -> str:
    """The identity; made at the first start."""
    path = folder / ".runner_system_id"
    try:
        found = path.read_text().strip()
        if found:
            return found
    except OSError:
        pass
    made = "r_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(made)
    except OSError as problem:
        warn(f"the system id cannot be kept, what a killed run leaves is not found again: {problem}")
    return made
