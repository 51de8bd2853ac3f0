"""Releases of the project's own charts: the same from every clone, and another one by any change of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.chart_release import content_checksum
from tests.unit.program import ROOT
from tests.unit.recording import Recorder, plain

RELEASE = "kubernetes:helm.sh/v3:Release"


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    """A chart with one template."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("name: micro")
    (tmp_path / "templates/service.yaml").write_text("kind: Service")
    return tmp_path


def test_they_are_named_by_their_place_in_the_project(other_stack: Recorder) -> None:
    """Where Pulumi starts the plugin that reads them. An absolute path would be another one in another clone."""
    ours = [r.inputs for r in other_stack.of_type(RELEASE) if "repositoryOpts" not in r.inputs]
    assert {inputs["chart"] for inputs in ours} == {"./charts/ingress", "./charts/metrics", "./charts/storage"}
    for inputs in ours:
        folder = ROOT / inputs["chart"]
        assert (folder / "Chart.yaml").is_file()
        assert plain(inputs["values"])["global"] == {"chartChecksum": content_checksum(folder)}


@pytest.mark.parametrize("path", ["Chart.yaml", "templates/service.yaml", "templates/more.yaml"])
def test_another_content_is_another_checksum(chart: Path, path: str) -> None:
    before = content_checksum(chart)
    (chart / path).write_text("kind: Ingress")
    assert content_checksum(chart) != before


def test_another_name_of_a_file_is_another_checksum(chart: Path) -> None:
    before = content_checksum(chart)
    (chart / "templates/service.yaml").rename(chart / "templates/services.yaml")
    assert content_checksum(chart) != before


@pytest.mark.parametrize("path", [".Chart.yaml.swp", "templates/.service.yaml.swp", ".git/config"])
def test_what_an_editor_or_git_leaves_is_not_content(chart: Path, path: str) -> None:
    before = content_checksum(chart)
    (chart / path).parent.mkdir(exist_ok=True)
    (chart / path).write_text("anything")
    assert content_checksum(chart) == before
