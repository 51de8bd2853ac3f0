"""Command line of the lab: `python -m lab COMMAND`. The Makefile is the usual way in."""

from __future__ import annotations

import argparse
import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from lab import (
    alidns,
    certificates,
    charts,
    deploy_images,
    engine,
    gitlab_runner,
    go_modules,
    images,
    kubernetes,
    machines,
    mirror,
    network,
    originals,
    paths,
    stack,
    states,
    status,
    storage,
    teardown,
    tools,
    verify,
    workstation,
)
from lab.inventory import ALIDNS, MACHINES, MIRROR, SPARES, WORKSTATION, Machine, machine
from lab.steps import LabError, Plan, console, elapsed


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        if words[:1] == ["pulumi"]:
            # All that follows is pulumi's own.
            return stack.run(words[1:])
        return _dispatch(_parser().parse_args(words))
    except LabError as error:
        console.print(f"lab: {error}", style="red", markup=False)
        if error.fix:
            console.print(f"To go on: {error.fix}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nInterrupted. The same command continues where it stopped; `make down` removes the lab.")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="the machines and stack dev on them, checked from the workstation")
    only_machines = commands.add_parser("machines", help="machines and mirror, without tools and stack")
    for each in (up, only_machines):
        help_text = "whose images and charts of GitLab's a new lab takes; one that is there goes on with its own"
        each.add_argument("--gitlab", choices=originals.CHOICES, help=help_text)
    up.add_argument(
        "--fresh", action="store_true", help=f"make everything anew, also where state `{states.UP}` would do"
    )
    commands.add_parser("preview", help="what `pulumi up` would do")
    preflight = commands.add_parser("preflight", help="what would keep the machines from becoming stack dev")
    preflight.add_argument("--json", action="store_true", help="everything that was found, for programs")
    commands.add_parser("down", help="remove the lab; caches stay")
    commands.add_parser("status", help="what runs, and which tools are used")
    commands.add_parser("verify", help="check the stack from the workstation")
    commands.add_parser("pulumi", help="run pulumi on stack dev: pulumi ARGUMENT…")
    spares = commands.add_parser("spares", help="make bare machines beside the others, for tests and benchmarks")
    spares.add_argument("names", nargs="+", choices=[each.name for each in SPARES])
    commands.add_parser("alidns", help="Alibaba Cloud's DNS, stood in for, and the plugin that talks to it, for tests")
    discard = commands.add_parser("discard", help="throw spare machines away")
    discard.add_argument("names", nargs="+", choices=[each.name for each in SPARES])
    names = [each.name for each in (*MACHINES, *SPARES)]
    restart = commands.add_parser("restart", help="reboot a machine and wait until it is back")
    restart.add_argument("name", choices=names)
    stop = commands.add_parser("stop", help="switch a machine off; restart switches it on")
    stop.add_argument("name", choices=names)
    save = commands.add_parser("save", help="keep the lab as it is now under a name")
    save.add_argument("name")
    load = commands.add_parser("load", help="bring the lab back to a state that was kept, whatever runs now")
    load.add_argument("name")
    load.add_argument("--force", action="store_true", help="also one that was made from other sources")
    commands.add_parser("states", help="which states are kept")
    forget = commands.add_parser("forget", help="remove a state that was kept")
    forget.add_argument("name")
    shell = commands.add_parser("shell", help="open a machine, or run one command there")
    shell.add_argument("name", nargs="?", default=WORKSTATION.name, choices=names)
    shell.add_argument("--command", dest="line", default="", help="run this line and return its exit status")
    return parser


def _dispatch(chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "up":
            return _up(chosen.gitlab, chosen.fresh)
        case "machines":
            sources = states.sources_key()
            plan = Plan(again="python -m lab machines")
            add_machines(plan, chosen.gitlab)
            _run(plan)
            states.note_made("machines", sources)
            return 0
        case "preview":
            _run(_prepared("make preview"))
            status.show_tools()
            return stack.run(["preview"])
        case "preflight":
            return stack.preflight(["--json"] if chosen.json else [])
        case "down":
            with _alone():
                if not teardown.run():
                    console.print("The lab is down already.")
            return 0
        case "status":
            return status.show()
        case "verify":
            plan = Plan(again="python -m lab verify")
            plan.add("verify", verify.run)
            _run(plan)
            return 0
        case "spares":
            return _spares([machine(name) for name in chosen.names])
        case "alidns":
            return _alidns()
        case "discard":
            plan = Plan(again=f"python -m lab discard {' '.join(chosen.names)}")
            removed = [plan.add(f"discard {n}", partial(machines.discard, machine=machine(n))) for n in chosen.names]
            plan.add("known hosts", machines.collect_known_hosts, removed)
            _run(plan)
            return 0
        case "restart":
            each = machine(chosen.name)
            plan = Plan(again=f"python -m lab restart {each.name}")
            plan.add(f"restart {each.name}", lambda log: machines.restart(log, each))
            _run(plan)
            return 0
        case "stop":
            each = machine(chosen.name)
            plan = Plan(again=f"python -m lab stop {each.name}")
            plan.add(f"stop {each.name}", lambda log: machines.stop(log, each))
            _run(plan)
            return 0
        case "save" | "load" | "forget" | "states":
            return _states(chosen)
        case "shell":
            return _shell(machine(chosen.name), chosen.line)
    raise AssertionError(chosen.command)


def _up(gitlab: str | None, fresh: bool) -> int:
    started = time.monotonic()
    sources = states.sources_key()
    state = None if fresh or paths.LAB.exists() else states.usable_for_up(sources, gitlab)
    if state:
        console.print(
            f"State {state.name} of {state.saved}, made from the same sources, is where this begins; "
            "`make up FRESH=1` makes everything anew."
        )
        with _alone():
            states.load_plan(state).run()
    plan = _prepared("make up", gitlab)
    plan.add("pulumi up", stack.up, plan.names())
    plan.add("workstation", workstation.set_up, ["pulumi up"])
    plan.add("verify", verify.run, ["workstation"])
    plan.add("first pipelines", verify.answers, ["workstation"])
    _run(plan)
    states.note_made("up", sources)
    console.print()
    status.show_tools()
    console.print()
    status.show_summary()
    console.print(f"\nUp in {elapsed(time.monotonic() - started)}.")
    return 0


def _states(chosen: argparse.Namespace) -> int:
    if chosen.command == "states":
        status.show_states()
        return 0
    started = time.monotonic()
    with _alone():
        if chosen.command == "save":
            states.save_plan(chosen.name).run()
            console.print(f"State {chosen.name} is kept after {elapsed(time.monotonic() - started)}.")
            return 0
        state = states.find(chosen.name)
        if chosen.command == "load":
            if not chosen.force:
                states.check_sources(state, states.sources_key())
            states.load_plan(state).run()
            console.print(f"The lab is as of {state.saved} again, after {elapsed(time.monotonic() - started)}.")
            return 0
        plan = Plan(f"python -m lab forget {state.name}", logs=paths.STORAGE_LOGS)
        plan.add(f"forget {state.name}", partial(states.forget, name=state.name))
        plan.run()
    return 0


def _spares(wanted: list[Machine]) -> int:
    plan = Plan(again=f"python -m lab spares {' '.join(each.name for each in wanted)}")
    _add_spares(plan, wanted)
    _run(plan)
    return 0


def _alidns() -> int:
    plan = Plan(again="python -m lab alidns")
    _add_spares(plan, [ALIDNS])
    plan.add("stand-in", alidns.provide, plan.names())
    plan.add("plugin", tools.build_alicloud)
    plan.add("tools", tools.choose, ["plugin"])
    _run(plan)
    return 0


def _add_spares(plan: Plan, wanted: list[Machine]) -> None:
    made = [
        plan.add(
            f"machine {each.name}",
            partial(machines.up, machine=each),
            [images.add_steps(plan, each.image, each.release)],
        )
        for each in wanted
    ]
    plan.add("known hosts", machines.collect_known_hosts, made)


def _prepared(again: str, gitlab: str | None = None) -> Plan:
    """All that `pulumi` on stack dev needs: tools, machines, a filled mirror, the stack itself."""
    plan = Plan(again)
    plan.add("pulumi CLI", tools.build_cli)
    plan.add("plugins", tools.build_plugins)
    plan.add("tools", tools.choose, ["pulumi CLI", "plugins"])
    plan.add("stack", stack.prepare, ["tools"])
    add_machines(plan, gitlab)
    return plan


def _run(plan: Plan) -> None:
    with _alone():
        storage.provide(plan.again)
        plan.run()


def add_machines(plan: Plan, gitlab: str | None = None) -> None:
    """Add the steps that bring up every machine, the mirror's content and known_hosts.

    `gitlab` is one of originals.CHOICES, or the lab's own choice.
    """
    choice = plan.add("whose GitLab", partial(originals.choose, name=gitlab))
    plan.add("ssh key", machines.make_key)
    plan.add("mirror CA", certificates.make)
    plan.add("engine", engine.up)
    plan.add("network", network.up)
    for each in MACHINES:
        image = images.add_steps(plan, each.image, each.release, ["engine"])
        plan.add(f"machine {each.name}", partial(machines.up, machine=each), ["ssh key", "mirror CA", "network", image])
    plan.add("mirror images", mirror.fill, [choice, f"machine {MIRROR.name}"])
    kubernetes.add_steps(plan, after=(f"machine {MIRROR.name}",))
    plan.add("deploy images", deploy_images.fill, [choice, "kubernetes add-ons", f"machine {MIRROR.name}"])
    # After Kubernetes, whose packages it shares.
    plan.add("gitlab runner", gitlab_runner.build, [choice, "kubernetes add-ons"])
    plan.add("gitlab runner images", gitlab_runner.fill, ["gitlab runner", f"machine {MIRROR.name}"])
    plan.add("charts", charts.publish, [choice, "kubernetes add-ons", f"machine {MIRROR.name}"])
    plan.add("go modules", go_modules.publish, [f"machine {MIRROR.name}"])
    plan.add("known hosts", machines.collect_known_hosts, [f"machine {each.name}" for each in MACHINES])


def _shell(target: Machine, line: str) -> int:
    machines.container(target)
    terminal = ["--tty"] if sys.stdin.isatty() else []
    options = [] if line else ["--interactive", *terminal]
    return subprocess.run(machines.shell_command(target, line, *options), check=False).returncode


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
