"""Helm on a chart of the repository, with the values of one release."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools import sources


@dataclass(frozen=True)
class Release:
    """A chart with what it is given. `called` names it among the tests."""

    called: str
    chart: Path
    name: str
    namespace: str
    values: dict[str, Any]


def chart(name: str) -> Path:
    """The folder of the repository's chart of that name."""
    named = [folder for folder in sources.chart_folders() if folder.name == name]
    assert len(named) == 1, f"charts called {name}: {named}"
    return named[0]


class Helm:
    """The program."""

    def __init__(self, program: Path, version: str, directory: Path) -> None:
        """`version` is the cluster's; `directory` is for the values."""
        self._program, self._version, self._directory = program, version, directory

    def lint(self, release: Release) -> subprocess.CompletedProcess[str]:
        """What Helm says of the chart with these values; a warning is an error."""
        return self._run("lint", "--strict", str(release.chart), *self._given(release))

    def template(self, release: Release) -> subprocess.CompletedProcess[str]:
        """The manifests."""
        return self._run("template", release.name, str(release.chart), "--include-crds", *self._given(release))

    def manifests(self, release: Release) -> str:
        """The manifests of a release that can be rendered."""
        done = self.template(release)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def objects(self, release: Release) -> list[dict[str, Any]]:
        """The manifests' objects."""
        return [item for item in yaml.safe_load_all(self.manifests(release)) if item]

    def _given(self, release: Release) -> list[str]:
        values = self._directory / f"{release.called}.json"
        values.write_text(json.dumps(release.values))
        return ["--namespace", release.namespace, "--kube-version", self._version, "--values", str(values)]

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(self._program), *words], capture_output=True, text=True, check=False)
