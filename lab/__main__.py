"""Command line of the lab: `python -m lab COMMAND`. The Makefile is the usual way in."""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import certificates, engine, images, machines, network, paths
from lab.inventory import MACHINES, MIRROR, SERVERS, WORKSTATION, Machine, machine
from lab.steps import LabError, Plan, Step, StepLog, console


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("machines", help="machines and mirror, without the stack")
    commands.add_parser("down", help="remove the lab; caches stay")
    restart = commands.add_parser("restart", help="reboot a machine and wait until it is back")
    restart.add_argument("name", choices=[each.name for each in MACHINES])
    shell = commands.add_parser("shell", help="open a machine, or run one command there")
    shell.add_argument("name", nargs="?", default=WORKSTATION.name, choices=[each.name for each in MACHINES])
    shell.add_argument("--command", dest="line", default="", help="run this line and return its exit status")
    chosen = parser.parse_args(arguments)
    try:
        return _dispatch(chosen)
    except LabError as error:
        console.print(f"lab: {error}", style="red", markup=False)
        if error.fix:
            console.print(f"To go on: {error.fix}", markup=False)
        return 1


def _dispatch(chosen: argparse.Namespace) -> int:
    if chosen.command == "machines":
        with _alone():
            plan = Plan(again="python -m lab machines")
            add_machines(plan)
            plan.run()
        return 0
    if chosen.command == "restart":
        each = machine(chosen.name)
        plan = Plan(again=f"python -m lab restart {each.name}")
        plan.add(f"restart {each.name}", lambda log: machines.restart(log, each))
        plan.run()
        return 0
    if chosen.command == "shell":
        return _shell(machine(chosen.name), chosen.line)
    raise AssertionError(chosen.command)


def add_machines(plan: Plan) -> None:
    """Steps that bring up every machine and known_hosts."""
    plan.add("ssh key", machines.make_key)
    plan.add("mirror CA", certificates.make)
    plan.add("engine", engine.up)
    plan.add("network", network.up, ["engine"])
    plan.add("base image", images.make_base, ["engine"])
    plan.add("image server", lambda log: images.make_machine(log, "server"), ["base image"])
    for kind in ("mirror", "resolved", "workstation"):
        plan.add(f"image {kind}", lambda log, kind=kind: images.make_machine(log, kind), ["image server"])
    for each in MACHINES:
        plan.add(
            f"machine {each.name}",
            lambda log, each=each: machines.up(log, each),
            ["ssh key", "mirror CA", "network", f"image {each.image}"],
        )
    plan.add("known hosts", machines.collect_known_hosts, [f"machine {each.name}" for each in MACHINES])


def _shell(target: Machine, line: str) -> int:
    command = ["docker", "-H", f"unix://{paths.DOCKER_SOCKET}", "exec"]
    if not line:
        command += ["--interactive"] + (["--tty"] if sys.stdin.isatty() else [])
    machines.container(target)
    command += ["--workdir", "/root", machines.container_name(target), "bash", "-l"]
    return subprocess.run(command + (["-c", line] if line else []), check=False).returncode


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock that keeps two runs from changing the lab at once."""
    paths.LOCK.parent.mkdir(parents=True, exist_ok=True)
    with paths.LOCK.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LabError("another run changes the lab right now", "wait until it has ended") from None
        yield


if __name__ == "__main__":
    sys.exit(main())
