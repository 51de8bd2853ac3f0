"""What the program exports is what `outputs.model` tells: names, types, secrecy, and in which stacks.

The snapshot is the interface itself. Where it changes, other people's programs may have to: an addition is fine,
anything else is theirs to suffer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import TypeAdapter
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from outputs.model import OUTPUTS, PARTS, EveryStack, Part, WithCluster, WithGitLab
from tests.unit.program import PROJECTS, Run, without
from tests.unit.recording import Secret

Settings = dict[str, Any]


def _with_projects(settings: Settings) -> Settings:
    return settings | {"projects": PROJECTS}


def _of_somebody_elses_names(settings: Settings) -> Settings:
    return settings | {"dns": {"provider": "none"}}


STACKS: dict[str, tuple[Callable[[Settings], Settings], tuple[type[Part], ...]]] = {
    "plain": (dict, (EveryStack, WithGitLab, WithCluster)),
    "with projects": (_with_projects, (EveryStack, WithGitLab, WithCluster)),
    "without GitLab": (lambda settings: without(settings, "gitlab"), (EveryStack, WithCluster)),
    "without cluster": (lambda settings: without(settings, "k8s"), (EveryStack, WithGitLab)),
    "without both": (lambda settings: without(settings, "gitlab", "k8s"), (EveryStack,)),
    "with names by somebody else": (_of_somebody_elses_names, (EveryStack, WithGitLab, WithCluster)),
}
"""What is done to valid settings, and the parts of the outputs that the stack has then."""


@pytest.mark.parametrize("stack", STACKS)
def test_the_program_exports_what_is_told(stack: str, run_program: Run, good: Settings) -> None:
    change, parts = STACKS[stack]
    exported = run_program(change(good)).exported
    expected = {output.name: output for output in OUTPUTS.values() if output.part in parts}
    assert set(exported) == set(expected)
    for name, output in expected.items():
        value = exported[name]
        assert isinstance(value, Secret) == output.secret, f"{name} is {'no ' * output.secret}secret"
        found = value.value if isinstance(value, Secret) else value
        if found is None:
            assert output.nullable, f"{name} is null"
        else:
            # As JSON has it: nothing becomes another type, and no object has a key that is not told.
            TypeAdapter(output.type).validate_json(json.dumps(found), strict=True, extra="forbid")


def test_the_name_server_is_null_where_names_are_somebody_elses(run_program: Run, good: Settings) -> None:
    """Otherwise nothing would prove that it may be."""
    assert run_program(_of_somebody_elses_names(good)).exported["dnsServer"] is None
    assert [output.name for output in OUTPUTS.values() if output.nullable] == ["dnsServer"]


def test_projects_are_told_where_there_are_some(run_program: Run, good: Settings) -> None:
    """Otherwise nothing would be said of their keys."""
    exported = run_program(_with_projects(good)).exported
    assert set(exported["projects"]) == {"team-hello", "team-auto"}
    assert exported["keptRepositories"] == ["team/auto", "team/hello"]


def test_no_output_is_told_twice() -> None:
    assert len(OUTPUTS) == sum(len(part.model_fields) for part in PARTS)


def test_the_interface(snapshot: SnapshotAssertion) -> None:
    """Its JSON schema, without the words for people: docs/outputs.md has those."""
    schemas = {part.__name__: _terse(part.model_json_schema()) for part in PARTS}
    assert schemas == snapshot(extension_class=JSONSnapshotExtension)


def _terse(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_terse(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    words = ("title", "description", "examples")
    # A key of that name that is an output's would have an object.
    return {key: _terse(item) for key, item in schema.items() if key not in words or isinstance(item, dict)}
