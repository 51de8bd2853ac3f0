"""Stacks of a program's own, run by the real engine with one chosen plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pulumi import automation as auto

PROJECT = "conformance"
# How a secret is marked in a state: sdk/go/common/resource, SigKey and SecretSig (v3.259.0).
SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}

Program = Callable[[], None]


@dataclass(frozen=True)
class Run:
    """What a run did: the operation on each resource by its name, the last one of several; and the outputs."""

    operations: Mapping[str, str]
    outputs: Mapping[str, Any]


class Stack:
    """One stack below a directory, which has the CLI and the plugin in `bin`; its state is a file there."""

    def __init__(self, root: Path, path: str, program: Program) -> None:
        self._root = root
        settings = auto.ProjectSettings(PROJECT, "python", backend=auto.ProjectBackend(f"file://{root}"))
        options = auto.LocalWorkspaceOptions(
            work_dir=str(root),
            pulumi_home=str(root / "home"),
            pulumi_command=auto.PulumiCommand(str(root)),
            project_settings=settings,
            env_vars={"PATH": path, "PULUMI_CONFIG_PASSPHRASE": "conformance", "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
        self._stack = auto.create_stack("test", project_name=PROJECT, program=program, opts=options)

    def up(self, program: Program | None = None) -> Run:
        """`pulumi up`, from here on of another program, if one is given."""
        if program:
            self._stack.workspace.program = program
        return self._run(self._stack.up)

    def failure(self, program: Program | None = None) -> str:
        """What a `pulumi up` says that has to fail."""
        try:
            run = self.up(program)
        except auto.CommandError as error:
            return str(error)
        raise AssertionError(f"should have failed: {dict(run.operations)}")

    def refresh(self) -> Run:
        """`pulumi refresh`."""
        return self._run(self._stack.refresh)

    def destroy(self) -> Run:
        """`pulumi destroy`."""
        return self._run(self._stack.destroy)

    def resource(self, name: str) -> dict[str, Any]:
        """What the state has of the resource called `name`."""
        resources = (self._stack.export_stack().deployment or {})["resources"]
        found = [each for each in resources if each["urn"].endswith(f"::{name}")]
        assert len(found) == 1, [each["urn"] for each in resources]
        return dict(found[0])

    def secrets(self, name: str) -> set[str]:
        """The outputs of a resource that the state has encrypted."""
        outputs = self.resource(name)["outputs"]
        return {key for key, value in outputs.items() if isinstance(value, dict) and SECRET.items() <= value.items()}

    def text(self) -> str:
        """The whole state as it lies on the disk."""
        return (self._root / f".pulumi/stacks/{PROJECT}/test.json").read_text()

    def _run(self, command: Callable[..., Any]) -> Run:
        operations: dict[str, str] = {}

        def note(event: Any) -> None:
            if event.resource_pre_event:
                metadata = event.resource_pre_event.metadata
                if metadata.type != "pulumi:pulumi:Stack" and not metadata.type.startswith("pulumi:providers:"):
                    operations[metadata.urn.rpartition("::")[2]] = str(getattr(metadata.op, "value", metadata.op))

        result = command(on_event=note)
        outputs = {name: output.value for name, output in getattr(result, "outputs", {}).items()}
        return Run(operations, outputs)
