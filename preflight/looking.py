"""Looks at every machine of a stack, all at the same time, and changes nothing.

Owns: the order (connect, become root, checks, comparison) and its limits in time. Does not own what is looked for: see
`plan` for the checks on the machines, `compare` for what several machines have to agree on, `here` for this computer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import asyncssh

from components.host import Check, Finding, findings
from preflight import compare, here, names, plan, ssh
from preflight.failures import NotReached
from preflight.progress import Progress
from settings import Stack
from settings.machines import Machine

SESSIONS = 4
"""Of one connection at a time; sshd's own limit is ten (sshd_config, MaxSessions)."""


@dataclass(frozen=True)
class _Seen:
    """What became of a machine: `connection` is None unless it answers and the login is root or may become it."""

    machine: Machine
    found: Sequence[Finding]
    connection: asyncssh.SSHClientConnection | None = None
    facts: compare.Facts | None = None


def look(stack: Stack, name: str, patience: float, tell: Callable[[str], None]) -> list[Finding]:
    """Everything that was found for the stack of that `name`, refusals first.

    Waits `patience` seconds for machines that are just coming up.
    """
    # In a thread, as Pulumi runs the program inside a loop of its own.
    with ThreadPoolExecutor(max_workers=1) as thread:
        found = thread.submit(asyncio.run, _look(stack, name, patience, Progress(tell))).result()
    return ordered(_heeded(each, stack) for each in found)


def ordered(found: Iterable[Finding]) -> list[Finding]:
    """Refusals, then warnings, then the rest; each as they were found."""
    levels = ("refused", "warning", "ok")
    return sorted(found, key=lambda each: levels.index(each.level))


def _heeded(finding: Finding, stack: Stack) -> Finding:
    """A refusal that the machine's settings ignore is a warning."""
    machine = stack.machines.get(finding.machine)
    if machine and finding.level == "refused" and finding.what in machine.ignore:
        return replace(finding, level="warning")
    return finding


async def _look(stack: Stack, name: str, patience: float, progress: Progress) -> list[Finding]:
    async with progress.shown():
        seen = await asyncio.gather(*(_reach(each, patience, progress) for each in stack.machines.values()))
        try:
            there = {each.machine.name for each in seen if each.connection}
            checks = plan.checks(stack, there)
            answers = await asyncio.gather(
                *(_check(each, checks[each.machine.name], progress) for each in seen),
                here.look(stack, there),
                names.look(stack, name),
            )
        finally:
            for each in seen:
                if each.connection:
                    each.connection.close()
    found = [*(finding for each in seen for finding in each.found)]
    found += compare.findings([each.facts for each in seen if each.facts], plan.images_from(stack))
    return found + [finding for answer in answers for finding in answer]


async def _reach(machine: Machine, patience: float, progress: Progress) -> _Seen:
    """Connects, and asks what needs no root."""
    progress.at(machine.name, "connecting")
    try:
        connection = await ssh.connect(machine, patience, lambda what: progress.at(machine.name, what))
    except NotReached as error:
        progress.done(machine.name)
        return _Seen(machine, [error.finding])
    try:
        facts = await compare.ask(connection, machine.name)
        refused = await ssh.root(connection, machine)
    except (TimeoutError, asyncssh.Error, OSError) as error:
        refused, facts = _unheard(machine, "its login shell", error), None
    if refused:
        progress.done(machine.name)
        connection.close()
        return _Seen(machine, [refused], None, facts)
    found = [Finding(machine.name, "ok", "SSH", f"{machine.user} at {machine.address}")]
    return _Seen(machine, found, connection, facts)


async def _check(seen: _Seen, checks: Sequence[Check], progress: Progress) -> list[Finding]:
    """Runs the checks of one machine, a few at a time."""
    connection, name = seen.connection, seen.machine.name
    if not connection:
        return []
    left = [check.name for check in checks]
    limit = asyncio.Semaphore(SESSIONS)

    async def run(check: Check) -> list[Finding]:
        async with limit:
            progress.at(name, f"looking ({', '.join(dict.fromkeys(left))})")
            found = await _run(connection, check)
            left.remove(check.name)
            return found

    found = await asyncio.gather(*(run(check) for check in checks))
    progress.done(name)
    # Two scripts may look at the same thing.
    return list(dict.fromkeys(finding for each in found for finding in each))


async def _run(connection: asyncssh.SSHClientConnection, check: Check) -> list[Finding]:
    try:
        status, output, said = await ssh.run(connection, check.command, check.stdin)
    except (TimeoutError, asyncssh.Error, OSError) as error:
        return [_unheard(check.machine, check.name, error)]
    found = findings(check.machine.name, output)
    if status:
        lines = said.strip().splitlines()
        broken = f"ended with status {status}: {lines[-1] if lines else 'no word'}"
        found.append(_broken(check.machine, check.name, broken))
    return found


def _unheard(machine: Machine, what: str, error: Exception) -> Finding:
    said = f"no end within {ssh.COMMAND_SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error)
    return _broken(machine, what, said)


def _broken(machine: Machine, what: str, said: str) -> Finding:
    """A look that came to nothing: what it would have found will be met by the script itself."""
    fix = f"ssh -p {machine.port} {machine.user}@{machine.address}: is the machine overloaded, or a disk full?"
    return Finding(machine.name, "warning", f"look of {what}", said, "an answer", fix)
