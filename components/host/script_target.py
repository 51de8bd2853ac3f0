"""Running scripts and timers on a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi
from pulumi_command import remote

from components.host.shell import Script, Shell
from components.host.timer import Timer


class ScriptTarget:
    """A machine that scripts run on: a `Host`, or a `TrustedHost`, whose scripts also wait for the CA's trust.

    Owns: running a script, and installing a timer; no component does either in another way.
    """

    name: str
    """What the machine is called under `hosts`."""
    address: str
    moved: Sequence[pulumi.Resource]
    """What must be there before sshd's old port is free; empty where sshd does not move."""

    def __init__(
        self, name: str, address: str, moved: Sequence[pulumi.Resource], shell: Shell, after: Sequence[pulumi.Resource]
    ) -> None:
        self.name, self.address, self.moved = name, address, moved
        self._shell, self._after = shell, after

    def run(
        self,
        name: str,
        script: Script,
        *,
        parent: pulumi.Resource,
        variables: Mapping[str, pulumi.Input[str]] | None = None,
        files: Mapping[str, pulumi.Input[str]] | None = None,
        triggers: Sequence[pulumi.Input[str]] = (),
        depends_on: Sequence[pulumi.Resource] = (),
        secret_output: bool = False,
        once_for: pulumi.Input[str] | None = None,
    ) -> remote.Command:
        """Runs `script` at creation, again whenever something it was given changes, and its removal at the end.

        `variables` become its environment; they stand on a command line, so they must not be secret. `files` (name to
        content) come with it by standard input and lie in `$FILES`, mode 0600, while it runs; they may be secret.
        All of these run it again when they change; `triggers` are further values that do. With `secret_output`, what it
        prints is a secret.

        With `once_for` it runs at creation and not again, whatever changes: what it began goes on without us. Another
        value of that (such as the id of what it works on) is another beginning.
        """
        return self._shell.command(
            name,
            script,
            parent=parent,
            variables=variables or {},
            files=files or {},
            triggers=triggers,
            depends_on=[*self._after, *depends_on],
            secret_output=secret_output,
            once_for=once_for,
        )

    def timer(
        self,
        name: str,
        script: Script,
        timer: Timer,
        *,
        parent: pulumi.Resource,
        variables: Mapping[str, pulumi.Input[str]] | None = None,
        triggers: Sequence[pulumi.Input[str]] = (),
        depends_on: Sequence[pulumi.Resource] = (),
        secret_output: bool = False,
    ) -> remote.Command:
        """Installs `timer` by `script`, which finds its files in `$FILES` and its schedule in `$SCHEDULE`."""
        return self.run(
            name,
            script,
            parent=parent,
            variables={**timer.variables, **(variables or {})},
            files=timer.files,
            triggers=triggers,
            depends_on=depends_on,
            secret_output=secret_output,
        )
