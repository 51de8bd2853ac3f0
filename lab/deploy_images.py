"""Images with the programs that deploy to a cluster, kubectl and Helm, as the lab builds them for its nodes.

The folders below standins/images/deploy say how each is made; its PROGRAMS names what it gets of ours.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from lab import base, images, kubernetes, mirror, paths
from lab.keys import content_key
from lab.steps import StepLog

_FOLDERS = paths.STANDINS / "images/deploy"


def fill(log: StepLog) -> str:
    """Build and push every image whose content key is not in the mirror yet."""
    made = [
        folder.name
        for folder in sorted(file.parent for file in _FOLDERS.glob("*/IMAGE"))
        if mirror.provide(log, mirror.upstream_name(folder), _tag(folder), partial(_prepare, log, folder))
    ]
    return f"made {', '.join(made)}" if made else "already filled"


def _components() -> dict[str, kubernetes.Component]:
    """Which component a program belongs to."""
    cluster = kubernetes.Component("kubernetes", kubernetes.VERSION)
    return {"kubectl": cluster, "helm": kubernetes.addon("helm")}


def _programs(folder: Path) -> list[str]:
    return (folder / "PROGRAMS").read_text().split()


def _tag(folder: Path) -> str:
    keys = [_components()[program].key for program in _programs(folder)]
    return f"{images.PREFIX}/mirror-{folder.name}:{content_key(base.tag(), folder, *keys)}"


def _prepare(log: StepLog, folder: Path, context: Path) -> None:
    mirror.copy_folder(log, folder, context)
    for program in _programs(folder):
        os.link(_components()[program].programs / program, context / program)
