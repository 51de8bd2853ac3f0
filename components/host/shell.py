"""How a script gets to a machine and runs there, as one resource of the command plugin."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import pulumi
from pulumi_command import remote

from components.host.bundle import pack
from components.host.command import ScriptCommand
from components.host.connection import connection
from settings.machines import Machine

SCRIPTS = Path(__file__).parent / "scripts"
LIBRARY = tuple(SCRIPTS / name for name in ("lib.sh", "findings.sh", "files.sh", "packages.sh"))
RUNNER = SCRIPTS / "run.sh"
# What arrived in part goes at once: there may be keys in it.
UNPACK_AND_RUN = (
    'd=$(mktemp -d /run/auto-devops.XXXXXX) && { base64 -d | tar -xC "$d" || { rm -rf "$d"; exit 1; }; } '
    '&& exec bash "$d/run.sh" "$@"'
)

# What sudo itself says has no fix. `sudo -n env` is how every script begins.
EXPLAIN_SUDO = (
    'said=$(LC_ALL=C sudo -n env true 2>&1 </dev/null) && exec "$@"; '
    'base64 -d | tar -xO files/no-root.sh | bash -s "$said"; exit 1'
)

NOTHING = "cat >/dev/null"
"""Does nothing with its standard input."""


@dataclass(frozen=True)
class Script:
    """Bash files: `install` makes a state true however often it runs, `remove` takes it away again.

    Both run as root with the functions of `host/scripts/lib.sh` and the directory `$FILES`, and must tolerate a
    half-done predecessor. `check` only looks, and has no files: what it refuses ends the installation before it changes
    anything. The preflight runs it, too (`components.host.checks`).
    """

    install: Path
    remove: Path | None = None
    check: Path | None = None


def command_line(name: str, step: str, user: str, variables: Mapping[str, str]) -> str:
    """The command that unpacks a bundle from standard input and runs `step` of the resource `name` as root.

    It is short on purpose: the command plugin repeats it in every error. `variables` become the environment.
    """
    sudo = [] if user == "root" else ["sudo", "-n"]
    assignments = [f"{key}={value}" for key, value in sorted(variables.items())]
    return shlex.join([*sudo, "env", *assignments, "sh", "-c", UNPACK_AND_RUN, "auto-devops", name, step])


def first_line(line: str, user: str) -> str:
    """`line`, a `command_line`, for a machine where nobody has become root yet: if sudo refuses, that is explained."""
    return line if user == "root" else shlex.join(["sh", "-c", EXPLAIN_SUDO, "auto-devops", *shlex.split(line)])


def bundle(script: Script, files: Mapping[str, str], triggers: Sequence[str] = ()) -> str:
    """What a command gets by standard input: the scripts for now and for the removal, `files`, and what triggers it."""
    contents = tools() | {"install.sh": text(script.install)}
    if script.remove:
        contents["remove.sh"] = text(script.remove)
    if script.check:
        contents["check.sh"] = text(script.check)
    if any(triggers):
        contents["triggers"] = "\n".join(triggers)
    return pack(contents | {f"files/{name}": content for name, content in files.items()})


@cache
def text(path: Path) -> str:
    """The content of a file that ships with the program."""
    return path.read_text()


def tools() -> dict[str, str]:
    """What every bundle has: the runner, and the functions of all scripts."""
    return {path.name: text(path) for path in (RUNNER, *LIBRARY)}


NO_ROOT = {"no-root.sh": text(SCRIPTS / "no-root.sh")}
"""What is among the files where a command is a `first_line`."""


def looking(machine: Machine) -> dict[str, str]:
    """What every check has in its environment: the directories that may be adopted, and what may be found, if any."""
    given = {"ADOPT": machine.adopt, "IGNORE": machine.ignore}
    return {name: ":".join(values) for name, values in given.items() if values}


def _resolved(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[dict[str, str]]:
    # `from_input` waits for what is inside the dictionary too, which its type does not say.
    return cast("pulumi.Output[dict[str, str]]", pulumi.Output.from_input(dict(values)))


class Shell:
    """A root shell on one machine.

    Owns: sudo, and the bundle that scripts and files travel in.
    Does not own: what has to be there before a script may run; see `ScriptTarget`.
    """

    def __init__(self, machine: Machine, repair: str) -> None:
        self._machine = machine
        self._repair = repair
        self._connection = connection(machine, machine.port)

    def command(
        self,
        name: str,
        script: Script,
        *,
        parent: pulumi.Resource,
        variables: Mapping[str, pulumi.Input[str]],
        files: Mapping[str, pulumi.Input[str]],
        triggers: Sequence[pulumi.Input[str]] = (),
        depends_on: Sequence[pulumi.Resource] = (),
        secret_output: bool = False,
        once_for: pulumi.Input[str] | None = None,
        first: bool = False,
    ) -> ScriptCommand:
        """The resource that runs `script`; the arguments are those of `ScriptTarget.run`.

        The `first` one on a machine explains what sudo refuses.
        """
        user = self._machine.user

        given = {**variables, **(looking(self._machine) if script.check else {})}

        def line(step: str) -> pulumi.Output[str]:
            return _resolved(given).apply(lambda values: command_line(name, step, user, values))

        create = line("install")
        if first:
            create, files = create.apply(lambda text: first_line(text, user)), {**files, **NO_ROOT}
        return ScriptCommand(
            name,
            connection=self._connection,
            create=create,
            # Any change runs it again in place. The resource's own `triggers` would replace it instead (its Python SDK
            # has replace_on_changes=["triggers[*]"]): the old one's `delete` would run after the new one's `create` and
            # take away what that made. So triggers are part of the input.
            update=create if once_for is None else NOTHING,
            # Removal gets what installation got; the state keeps it, as the program may not run then.
            delete=line("remove") if script.remove else None,
            stdin=pulumi.Output.all(_resolved(files), self._repair, *triggers).apply(
                lambda values: bundle(script, values[0], values[1:])
            ),
            # Scripts write progress for people to standard error and results to standard output, no secret to either.
            logging=remote.Logging.STDERR,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=parent,
                depends_on=[*depends_on],
                additional_secret_outputs=["stdout"] if secret_output else None,
                ignore_changes=None if once_for is None else ["create", "stdin"],
                replacement_trigger=once_for,
            ),
        )

    def first_command(
        self,
        name: str,
        script: Path,
        *,
        port: int,
        parent: pulumi.Resource,
        variables: Mapping[str, str],
        files: Mapping[str, str],
    ) -> ScriptCommand:
        """Runs `script` once, by another port of sshd, and never again, whatever changes; it has no removal."""
        create = first_line(command_line(name, "install", self._machine.user, variables), self._machine.user)
        return ScriptCommand(
            name,
            connection=connection(self._machine, port),
            create=create,
            update=create,
            stdin=bundle(Script(script), {**files, **NO_ROOT}),
            logging=remote.Logging.STDERR,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=parent,
                ignore_changes=["connection", "create", "update", "stdin", "logging", "add_previous_output_in_env"],
            ),
        )
