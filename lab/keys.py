"""Content keys: a short hash that changes when what something is made from changes."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_LEFT_OUT = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"}


def content_key(*parts: str | Path | Iterable[Path]) -> str:
    """Key of texts, files, and folders (every file's path, mode and content)."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(b"text\0" + part.encode() + b"\0")
            continue
        for root in [part] if isinstance(part, Path) else part:
            files = [root] if root.is_file() else sorted(p for p in root.rglob("*") if p.is_file())
            for file in files:
                if _LEFT_OUT.intersection(file.parts):
                    continue
                name = file.name if file == root else str(file.relative_to(root))
                executable = bool(file.stat().st_mode & 0o100)
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"file\0{name}\0{executable}\0{content}\0".encode())
    return digest.hexdigest()[:16]
