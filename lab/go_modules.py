"""The Go modules that the services' builds need, served by the mirror as a GOPROXY: https://mirror.lab.internal/goproxy.

Owns the folder `goproxy/` in the cache and on the mirror. It holds what services/*/go.mod and go.sum name and nothing
else, as the computer's own go command downloaded and verified it.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab import mirror, paths
from lab.keys import content_key
from lab.steps import LabError, StepLog

_CACHE = paths.CACHE / "goproxy"
_TREE = _CACHE / "tree"
_NAME = "goproxy"


def publish(log: StepLog) -> str:
    """Download the modules, copy them to the mirror, and check that it serves them."""
    key = content_key(
        Path(__file__), [file for folder in _services() for file in (folder / "go.mod", folder / "go.sum")]
    )
    copied = mirror.publish(log, _TREE, _NAME, key, _download, "*.info")
    return f"{len(list(_TREE.rglob('*.zip')))} modules" if copied else "already there"


def _services() -> list[Path]:
    """The folders of the Go services that are pushed to GitLab."""
    return sorted(file.parent for file in (paths.REPOSITORY / "services").glob("*/go.mod"))


def _download(log: StepLog) -> None:
    _CACHE.mkdir(parents=True, exist_ok=True)
    # A folder of its own: a run that was killed may have left half of one.
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=_CACHE) as draft:
        modules = Path(draft) / "modules"
        # Writable: Go's own is not, and could then not be removed.
        environment = {"GOMODCACHE": str(modules), "GOFLAGS": "-modcacherw", "GOWORK": "off"}
        for folder in _services():
            log.awaiting(f"go mod download of {folder.name}")
            # In a copy: go may write to go.sum what is missing there, and it is the pipeline that must fail then.
            copy = Path(draft) / folder.name
            copy.mkdir()
            for name in ("go.mod", "go.sum"):
                shutil.copy(folder / name, copy)
            log.run(["go", "mod", "download", "-x"], env=environment, cwd=copy)
            log.run(["go", "mod", "verify"], env=environment, cwd=copy)
            if (copy / "go.sum").read_bytes() != (folder / "go.sum").read_bytes():
                raise LabError(
                    f"{folder / 'go.sum'} lacks checksums of modules that go.mod asks for",
                    f"`go mod tidy` in {folder}",
                )
        tree = modules / "cache/download"
        for path in list(tree.rglob("*.lock")):
            path.unlink()
        # Answers of the checksum database: the services' go.sum has what jobs need.
        shutil.rmtree(tree / "sumdb", ignore_errors=True)
        shutil.rmtree(_TREE, ignore_errors=True)
        tree.rename(_TREE)
