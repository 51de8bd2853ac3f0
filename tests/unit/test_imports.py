"""Who may import whom: __main__, preflight, components, settings, names; pyproject.toml says it of the packages."""

from __future__ import annotations

import ast
import sys

import pytest

from tests.unit.program import ROOT

OURS = {path.stem for path in ROOT.iterdir() if path.suffix == ".py" or path.is_dir()}


def imported(path: str) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_packages_import_only_what_is_below_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Here: every worker that collects this file would import it.
    from importlinter.cli import lint_imports

    monkeypatch.chdir(ROOT)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_the_program_imports_components_and_settings() -> None:
    ours = {module.partition(".")[0] for module in imported("__main__.py")} & OURS
    assert ours <= {"preflight", "components", "settings", "names"}, ours
    assert "components" in ours


def test_names_import_nothing() -> None:
    assert imported("names.py") <= sys.stdlib_module_names


def test_settings_are_there_without_pulumi() -> None:
    """`import settings` loads nothing that needs Pulumi; pyproject.toml says it of the package's other modules."""
    assert imported("settings/__init__.py") == {"settings.stack"}
