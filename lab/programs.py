"""Programs that are built once, into a folder of the cache that has the key of what they are made from."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lab.steps import StepLog

_STAMP = ".stamp"
_DRAFT = ".draft-"


def build(log: StepLog, folder: Path, key: str, what: str, *command: str | Path) -> bool:
    """Build the programs of `folder` unless those that are there have the key; tells if it did.

    `command` gets an empty directory as its last argument and builds into it; `what` is said meanwhile.
    """
    stamp = folder / _STAMP
    if stamp.exists() and stamp.read_text() == key:
        return False
    folder.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in folder.parent.glob(f"{_DRAFT}{folder.name}-*"):
        shutil.rmtree(abandoned)
    # A folder of its own: the build of a run that was killed may still be writing into the last one.
    draft = Path(tempfile.mkdtemp(prefix=f"{_DRAFT}{folder.name}-", dir=folder.parent))
    log.awaiting(f"go build of {what} (minutes where Go's build cache is cold)")
    # The nicest of the lab's builds: the tools and the machines come first.
    log.run(["nice", "-n", "10", *command, draft])
    (draft / _STAMP).write_text(key)
    draft.chmod(0o755)
    if folder.exists():
        shutil.rmtree(folder)
    draft.rename(folder)
    return True
