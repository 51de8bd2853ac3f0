"""Which files belong to the repository: what git knows or would add. Owns none of them."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def files() -> tuple[Path, ...]:
    """Every file that git knows or would add and that is there."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = sorted(set(filter(None, listed.split("\0"))))
    return tuple(path for path in (ROOT / name for name in names) if path.is_file())


def chart_folders() -> list[Path]:
    """The folders that each are one chart, ours and those of the stand-ins."""
    return [path.parent for path in files() if path.name == "Chart.yaml"]


def shell_scripts() -> list[Path]:
    """Every shell script: by suffix, or by its first line."""
    return [path for path in files() if _is_shell(path)]


def tested_go_modules() -> list[Path]:
    """The Go modules that have tests. The others only pin what somebody else wrote."""
    modules = {path.parent for path in files() if path.name == "go.mod"}
    return sorted({_nearest(path, modules) for path in files() if path.name.endswith("_test.go")})


def _nearest(path: Path, folders: set[Path]) -> Path:
    return next(folder for folder in path.parents if folder in folders)


def _is_shell(path: Path) -> bool:
    if path.is_symlink():
        return False
    if path.suffix in {".sh", ".envsh"}:
        return True
    if path.suffix:
        return False
    with path.open("rb") as file:
        first = file.readline(100).strip()
    return first.startswith(b"#!") and first.endswith((b"/bash", b"/sh", b"env bash"))
