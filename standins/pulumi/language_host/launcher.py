"""Writes the executable that the engine looks for on PATH.

By hand: `python standins/pulumi/language_host/launcher.py <venv>/bin/python <directory>/pulumi-language-python`.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

SERVER = Path(__file__).resolve().with_name("server.py")

# -P keeps this host's own directory off the program's import path; the engine's arguments are not needed.
TEMPLATE = """#!/bin/sh
# Written by standins/pulumi/language_host/launcher.py: the lab's Python language host.
exec {python} -P {server} "$@"
"""


def launcher_text(python: Path) -> str:
    """The launcher for this interpreter, which must have the `pulumi` package."""
    if not python.is_absolute():
        raise ValueError(f"the language host needs an absolute interpreter path, got {str(python)!r}")
    return TEMPLATE.format(python=shlex.quote(str(python)), server=shlex.quote(str(SERVER)))


def write_launcher(destination: Path, python: Path) -> None:
    """Write `destination` (normally named pulumi-language-python) and make it executable."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_text(launcher_text(python))
    destination.chmod(0o755)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="write the pulumi-language-python launcher")
    parser.add_argument("python", type=Path, help="absolute path of the interpreter that runs programs")
    parser.add_argument("destination", type=Path, help="the launcher's path")
    arguments = parser.parse_args()
    write_launcher(arguments.destination, arguments.python)
