"""The stand-ins' imports: nothing of the repository's own outside them, and no circles inside GitLab's."""

from __future__ import annotations

import graphlib
import sys

import grimp

from lab import paths


def test_gitlab_has_no_circles() -> None:
    graph = grimp.build_graph("gitlab_standin", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert "gitlab_standin.site" in imports["gitlab_standin.pushes"]
    # Raises CycleError, which names the circle.
    graphlib.TopologicalSorter(imports).prepare()


def test_nothing_of_the_lab_or_the_program() -> None:
    own = {file.stem if file.suffix == ".py" else file.name for file in paths.REPOSITORY.iterdir()}
    own -= {"standins", *sys.stdlib_module_names}
    assert {"lab", "components"} <= own
    found = set()
    for package in ("standins", "gitlab_standin"):
        graph = grimp.build_graph(package, include_external_packages=True, cache_dir=None)
        assert graph.count_imports()
        for module in graph.modules:
            found |= {
                f"{module} imports {imported}"
                for imported in graph.find_modules_directly_imported_by(module)
                if imported.partition(".")[0] in own
            }
    assert not found


def test_no_file_is_long() -> None:
    long = {
        file.relative_to(paths.STANDINS): lines
        for file in paths.STANDINS.rglob("*.py")
        if (lines := len(file.read_text().splitlines())) > 400
    }
    assert not long
