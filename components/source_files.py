"""The files of a directory that become a repository's first commit."""

from __future__ import annotations

from pathlib import Path


def source_files(directory: Path) -> list[Path]:
    """All files in `directory`, in a fixed order, but those of git itself."""
    return sorted(
        path for path in directory.rglob("*") if path.is_file() and ".git" not in path.relative_to(directory).parts
    )
