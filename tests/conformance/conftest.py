"""The engine with each plugin that there is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import paths, tools
from lab.steps import StepLog
from tests.conformance.engine import Program, Stack

Start = Callable[[Program], Stack]


def plugins(provider: str) -> dict[str, Path]:
    """The plugins of a provider's that there are, by what they are."""
    found = {"stand-in": paths.PLUGINS / f"pulumi-resource-{provider}"}
    if provider == tools.ALICLOUD:
        # Upstream's own code; what is stood in for is the service.
        found = {"upstream's": tools.provider(provider).path}
    elif (official := tools.provider(provider)).installed:
        found["official"] = official.path
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "plugin" in metafunc.fixturenames:
        provider = metafunc.module.PROVIDER
        found = plugins(provider)
        metafunc.parametrize("plugin", found.values(), ids=found, scope="module")


@pytest.fixture(scope="session", autouse=True)
def built() -> None:
    """Pulumi's CLI and the stand-ins, built unless they are there."""
    log = StepLog(paths.BUILD / "conformance.log")
    tools.build_cli(log)
    tools.build_plugins(log)


@pytest.fixture
def start(plugin: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    """Makes a stack of a program; what it made is destroyed at the end."""
    for tool in (tools.cli().path, plugin):
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / tool.name).symlink_to(tool)

    def start(program: Program) -> Stack:
        stack = Stack(tmp_path, f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", program)
        request.addfinalizer(stack.destroy)
        return stack

    return start
