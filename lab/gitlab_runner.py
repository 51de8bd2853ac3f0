"""GitLab Runner, built from its Go module, and the images around it: the runner's own and its helper's.

lab/mirror/gitlab-runner says how each is made. Owns `gitlab-runner/` (programs) in the cache, and the two images in the
mirror's registry.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

from lab import base, images, kubernetes, mirror, paths
from lab.keys import content_key
from lab.steps import StepLog

SOURCES = paths.SOURCES / "mirror/gitlab-runner"
PROGRAMS = paths.CACHE / "gitlab-runner"
"""The folder that they are built into."""
_STAMP = PROGRAMS / ".stamp"
_DRAFT = "gitlab-runner-draft-"


def build(log: StepLog) -> str:
    """Build both programs unless those that are there have the key."""
    if _STAMP.exists() and _STAMP.read_text() == _key():
        return "already built"
    for abandoned in paths.CACHE.glob(f"{_DRAFT}*"):
        shutil.rmtree(abandoned)
    # A folder of its own: the build of a run that was killed may still be writing into the last one.
    draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=paths.CACHE))
    log.awaiting("go build of GitLab Runner (minutes where Go's build cache is cold)")
    log.run(["nice", "-n", "10", SOURCES / "build.sh", draft])
    (draft / _STAMP.name).write_text(_key())
    draft.chmod(0o755)
    if PROGRAMS.exists():
        shutil.rmtree(PROGRAMS)
    draft.rename(PROGRAMS)
    return "built"


def fill(log: StepLog) -> str:
    """Build and push both images unless the mirror has them."""
    made = [
        folder.name
        for folder in sorted(file.parent for file in SOURCES.glob("images/*/IMAGE"))
        if mirror.provide(log, mirror.upstream_name(folder), _tag(folder), partial(_prepare, log, folder))
    ]
    return f"made {', '.join(made)}" if made else "already filled"


def _key() -> str:
    """Key of all that the programs are made from."""
    sources = [SOURCES / name for name in ("build.sh", "go.mod", "go.sum", "cmd", "without")]
    return content_key(kubernetes.go_version(), *sources)


def _tag(folder: Path) -> str:
    return f"{images.PREFIX}/mirror-gitlab-{folder.name}:{content_key(base.tag(), folder, _key())}"


def _prepare(log: StepLog, folder: Path, context: Path) -> None:
    mirror.copy_folder(log, folder, context)
    program = (folder / "PROGRAM").read_text().strip()
    os.link(PROGRAMS / program, context / program)


def main() -> int:
    """Build the programs: what tests of the stand-in of GitLab run."""
    print(build(StepLog(paths.BUILD / "gitlab-runner.log")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
