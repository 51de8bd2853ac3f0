"""The charts that the stack takes from GitLab's repository, served by the mirror: https://mirror.lab.internal/charts.gitlab.io.

The folders below standins/gitlab/charts are stand-ins of GitLab's charts, in whose place the lab takes GitLab's own
where it was told to. Owns the folder `charts/` in the cache, and `charts.gitlab.io/` on the mirror: the charts as the
real Helm packages them, and the repository's index.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from lab import kubernetes, mirror, originals, paths
from lab.keys import content_key
from lab.steps import StepLog

NAME = "charts.gitlab.io"
"""Below the mirror's address."""
_CHARTS = paths.STANDINS / "gitlab/charts"
_TREE = paths.CACHE / "charts" / NAME


def chart_folders() -> list[Path]:
    """The folders that each are one chart."""
    return sorted(file.parent for file in _CHARTS.glob("*/Chart.yaml"))


def publish(log: StepLog) -> str:
    """Package the charts, copy the repository to the mirror, and check that it serves its index."""
    whose = "GitLab's own" if originals.official() else "the lab's"
    key = content_key(Path(__file__), kubernetes.addon("helm").key, chart_folders(), whose)
    copied = mirror.publish(log, _TREE, NAME, key, _package, "index.yaml")
    charts = ", ".join(sorted(path.stem for path in _TREE.glob("*.tgz")))
    return charts if copied else "already there"


def _package(log: StepLog) -> None:
    shutil.rmtree(_TREE, ignore_errors=True)
    _TREE.mkdir(parents=True)
    helm = kubernetes.helm(log)
    for folder in chart_folders():
        if originals.official():
            chart = yaml.safe_load((folder / "Chart.yaml").read_text())
            originals.pull_chart(log, helm, f"https://{NAME}", chart["name"], chart["version"], _TREE)
        else:
            log.awaiting(f"packaging {folder.name}")
            log.run([helm, "package", folder, "--destination", _TREE])
    log.run([helm, "repo", "index", _TREE])
