"""Host: one machine, and the only place where a connection to it is built."""

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

SCRIPTS = Path(__file__).parent / "scripts"
LIBRARY = SCRIPTS / "lib.sh"
RUNNER = SCRIPTS / "run.sh"
UNPACK_AND_RUN = 'd=$(mktemp -d /run/auto-devops.XXXXXX) && base64 -d | tar -xC "$d" && exec bash "$d/run.sh" "$@"'

NOTHING = "cat >/dev/null"
"""Does nothing with its standard input."""


@dataclass(frozen=True)
class HostArgs:
    """How to reach the machine. `private_key` is an OpenSSH or PEM text, `host_key` "type base64".

    Another value of `repair` runs every script on the machine again.

    With `moves_from`, sshd is on that port at first and moves to `port`; it stays there too if `keeps_old_port`.
    """

    address: str
    user: str
    port: int
    private_key: str
    host_key: str
    passphrase: str | None = None
    repair: str = ""
    moves_from: int | None = None
    keeps_old_port: bool = False


@dataclass(frozen=True)
class Script:
    """A pair of bash files: `install` makes a state true however often it runs, `remove` takes it away again.

    Both run as root with the functions of `host/scripts/lib.sh` and the directory `$FILES`, and must tolerate a
    half-done predecessor.
    """

    install: Path
    remove: Path | None = None


def command_line(name: str, step: str, user: str, variables: Mapping[str, str]) -> str:
    """The command that unpacks a bundle from standard input and runs `step` of the resource `name` as root.

    It is short on purpose: the command plugin repeats it in every error. `variables` become the environment.
    """
    sudo = [] if user == "root" else ["sudo", "-n"]
    assignments = [f"{key}={value}" for key, value in sorted(variables.items())]
    return shlex.join([*sudo, "env", *assignments, "sh", "-c", UNPACK_AND_RUN, "auto-devops", name, step])


def bundle(script: Script, files: Mapping[str, str], triggers: Sequence[str] = ()) -> str:
    """What a command gets by standard input: the scripts for now and for the removal, `files`, and what triggers it."""
    contents = {"run.sh": _text(RUNNER), "lib.sh": _text(LIBRARY), "install.sh": _text(script.install)}
    if script.remove:
        contents["remove.sh"] = _text(script.remove)
    if any(triggers):
        contents["triggers"] = "\n".join(triggers)
    return pack(contents | {f"files/{name}": content for name, content in files.items()})


def _resolved(values: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[dict[str, str]]:
    # `from_input` waits for what is inside the dictionary too, which its type does not say.
    return cast("pulumi.Output[dict[str, str]]", pulumi.Output.from_input(dict(values)))


def _connection(args: HostArgs, port: int) -> remote.ConnectionArgs:
    return remote.ConnectionArgs(
        host=args.address,
        port=port,
        user=args.user,
        private_key=pulumi.Output.secret(args.private_key),
        private_key_password=pulumi.Output.secret(args.passphrase) if args.passphrase else None,
        host_key=args.host_key,
        # Five dials with growing pauses are about ten seconds: enough for a machine that is just coming up, and no ten
        # minutes' wait for one that is not there.
        dial_error_limit=5,
        per_dial_timeout=10,
    )


@cache
def _text(path: Path) -> str:
    return path.read_text()


class Host(pulumi.ComponentResource):
    """A machine that answers by SSH, can become root, and runs a supported system.

    Owns: the connection with its pinned host key, sudo, readiness, and how scripts and files get to the machine.
    Does not own: anything installed there; that belongs to the component that calls `run`.
    """

    address: str
    ready: pulumi.Output[str]
    """The system's name, such as "Debian GNU/Linux 12 (bookworm)"; known once the machine is usable."""
    moved: list[pulumi.Resource]
    """What leaves sshd's old port free, for whoever wants it; empty where sshd does not move."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:Host", name, None, opts)
        self.name = name
        self.address = args.address
        self._user = args.user
        self._repair = args.repair
        self._connection = _connection(args, args.port)
        # The functions that change sshd's ports; the last script on the machine needs them to give the port back.
        moving = {"sshd.sh": _text(SCRIPTS / "sshd.sh")}
        opened = [self._open_port(args, args.moves_from, moving)] if args.moves_from else []
        # By the new port, which proves it before the old one is closed.
        self._ready = self._command(
            f"{name}-ready",
            Script(SCRIPTS / "ready.sh", SCRIPTS / "leave.sh"),
            parent=self,
            variables={
                "HOST_NAME": name,
                "SSH_PORT": str(args.port),
                "SSHD_MOVES": "yes" if args.moves_from else "no",
            },
            files=moving,
            depends_on=opened,
        )
        self.moved = []
        if args.moves_from and not args.keeps_old_port:
            closed = self.run(
                f"{name}-sshd-closed",
                Script(SCRIPTS / "sshd-close.sh", SCRIPTS / "sshd-reopen.sh"),
                parent=self,
                variables={"HOST_NAME": name, "OLD_PORT": str(args.moves_from), "NEW_PORT": str(args.port)},
                files=moving,
            )
            self.moved = [closed]
        self.ready = self._ready.stdout
        self.register_outputs({"ready": self.ready})

    def _open_port(self, args: HostArgs, old_port: int, files: Mapping[str, str]) -> remote.Command:
        """The one thing that goes by the old port: sshd listens on the new one as well.

        Whatever changes afterwards, this never runs again: someone else may answer on the old port by then. That is why
        it has no removal, too; the last of the Host's scripts brings sshd back to where it was.
        """
        variables = {"HOST_NAME": self.name, "OLD_PORT": str(old_port), "NEW_PORT": str(args.port)}
        create = command_line(f"{self.name}-sshd", "install", self._user, variables)
        return remote.Command(
            f"{self.name}-sshd",
            connection=_connection(args, old_port),
            create=create,
            update=create,
            stdin=bundle(Script(SCRIPTS / "sshd-open.sh"), files),
            logging=remote.Logging.STDERR,
            add_previous_output_in_env=False,
            opts=pulumi.ResourceOptions(
                parent=self,
                ignore_changes=["connection", "create", "update", "stdin", "logging", "add_previous_output_in_env"],
            ),
        )

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
        return self._command(
            name,
            script,
            parent=parent,
            variables=variables or {},
            files=files or {},
            triggers=triggers,
            depends_on=[self._ready, *depends_on],
            secret_output=secret_output,
            once_for=once_for,
        )

    def _command(
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
    ) -> remote.Command:
        def line(step: str) -> pulumi.Output[str]:
            return _resolved(variables).apply(lambda values: command_line(name, step, self._user, values))

        create = line("install")
        return remote.Command(
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
