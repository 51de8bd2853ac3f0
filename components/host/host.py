"""Host: one machine, and the only place where a connection to it is built."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.host.checks import Check
from components.host.script_target import ScriptTarget
from components.host.shell import SCRIPTS, Script, Shell, text
from settings.machines import Machine


@dataclass(frozen=True)
class HostArgs:
    """How to reach the machine. Another value of `repair` runs every script on the machine again."""

    machine: Machine
    repair: str


def check(machine: Machine) -> Check:
    """What every machine is looked at for."""
    return Check(
        machine,
        f"{machine.name}-ready",
        SCRIPTS / "check.sh",
        {"HOST_NAME": machine.name, "SSH_PORT": str(machine.port)},
    )


class Host(ScriptTarget, pulumi.ComponentResource):
    """A machine that answers by SSH, can become root, and runs a supported system.

    Owns: the connection with its pinned host key, sudo, readiness, and how scripts and files get to the machine.
    Does not own: anything installed there; that belongs to the component that calls `run`.
    """

    ready: pulumi.Resource
    """There once the machine is usable."""
    system: pulumi.Output[str]
    """The system's name, such as "Debian GNU/Linux 12 (bookworm)"."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        pulumi.ComponentResource.__init__(self, "auto-devops:index:Host", name, None, opts)
        machine = args.machine
        shell = Shell(machine, args.repair)
        # The functions that change sshd's ports; the last script on the machine needs them to give the port back.
        moving = {"sshd.sh": text(SCRIPTS / "sshd.sh")}
        opened: list[pulumi.Resource] = []
        if machine.moves_from:
            # The one thing that goes by the old port: sshd listens on the new one as well. Whatever changes afterwards,
            # this never runs again: someone else may answer on the old port by then. That is why it has no removal,
            # too; the last of the Host's scripts brings sshd back to where it was.
            opened.append(
                shell.first_command(
                    f"{name}-sshd",
                    SCRIPTS / "sshd-open.sh",
                    port=machine.moves_from,
                    parent=self,
                    variables={"HOST_NAME": name, "OLD_PORT": str(machine.moves_from), "NEW_PORT": str(machine.port)},
                    files=moving,
                )
            )
        # By the new port, which proves it before the old one is closed.
        ready = shell.command(
            f"{name}-ready",
            Script(SCRIPTS / "ready.sh", SCRIPTS / "leave.sh", SCRIPTS / "check.sh"),
            parent=self,
            variables={
                "HOST_NAME": name,
                "SSH_PORT": str(machine.port),
                "SSHD_MOVES": "yes" if machine.moves_from else "no",
            },
            files=moving,
            depends_on=opened,
            first=True,
        )
        ScriptTarget.__init__(self, name, machine.address, [], shell, [ready])
        if machine.moves_from and not machine.keeps_old_port:
            closed = self.run(
                f"{name}-sshd-closed",
                Script(SCRIPTS / "sshd-close.sh", SCRIPTS / "sshd-reopen.sh"),
                parent=self,
                variables={"HOST_NAME": name, "OLD_PORT": str(machine.moves_from), "NEW_PORT": str(machine.port)},
                files=moving,
            )
            self.moved = [closed]
        self.ready = ready
        self.system = ready.stdout
        self.register_outputs({"ready": self.system})
