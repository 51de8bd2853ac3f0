"""Imported before the rest of the program, for what it does to the interpreter: a preview takes half a second less.

Measured in docs/design.md, "Where a preview's time goes".
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LAZY = frozenset({"pulumi_gitlab"})
"""Packages whose `__init__` imports the module of every class: 220 of them, of which the program needs nine."""

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _where(name: str) -> tuple[str, ...]:
    """Modules that may have a class, as pulumi's code generator names them."""
    return ("_inputs",) if name.endswith("Args") else (_WORD.sub("_", name).lower(), name)


class _OnDemand(Loader):
    """Loads a package without its `__init__`; each class comes from its own module, when it is asked for."""

    def __init__(self, whole: Loader) -> None:
        self._whole = whole

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._whole.create_module(spec)

    def exec_module(self, package: ModuleType) -> None:
        def attribute(name: str) -> Any:
            if name.startswith("_"):
                raise AttributeError(f"module {package.__name__!r} has no attribute {name!r}")
            for candidate in _where(name):
                if importlib.util.find_spec(f"{package.__name__}.{candidate}"):
                    module = importlib.import_module(f"{package.__name__}.{candidate}")
                    found = getattr(module, name, module if candidate == name else None)
                    if found is not None:
                        # Also in place of a module of that name, which the import has put there.
                        setattr(package, name, found)
                        return found
            del package.__dict__["__getattr__"]
            self._whole.exec_module(package)
            return getattr(package, name)

        package.__getattr__ = attribute  # type: ignore[method-assign]


class _Finder(MetaPathFinder):
    """Finds the packages of LAZY."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in LAZY else None
        if spec and spec.loader:
            spec.loader = _OnDemand(spec.loader)
        return spec


# What the program makes it keeps until it ends: with Python's own thresholds the collector looks through all of it over
# and over, which is a third of the time of a preview of 1,000 resources, and finds nothing to free.
gc.set_threshold(50_000, 10, 10)
sys.meta_path.insert(0, _Finder())
