"""GitLab Runner, built from its Go module, and the images around it: the runner's own and its helper's.

lab/mirror/gitlab-runner says how each is made. Owns `gitlab-runner/` (programs) in the cache, and the two images in the
mirror's registry.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from lab import base, images, kubernetes, mirror, originals, paths, programs
from lab.keys import content_key
from lab.steps import StepLog

SOURCES = paths.SOURCES / "mirror/gitlab-runner"
PROGRAMS = paths.CACHE / "gitlab-runner"
"""The folder that they are built into."""


def build(log: StepLog) -> str:
    """Build both programs, unless those that are there have the key or the lab takes GitLab's own images."""
    return "not needed" if originals.official() else make(log)


def make(log: StepLog) -> str:
    """Build both programs unless those that are there have the key."""
    made = programs.build(log, PROGRAMS, _key(), "GitLab Runner", SOURCES / "build.sh")
    return "built" if made else "already built"


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
    print(make(StepLog(paths.BUILD / "gitlab-runner.log")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
