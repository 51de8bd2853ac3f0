"""How findings read: as a table, as JSON, and as the message that ends the program.

Owns the words around findings. Does not own any finding.
"""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict

from components.host import Finding
from settings import Stack
from settings.problems import set_command

HEADINGS = ("machine", "what", "found", "wanted", "fix")
SHARES = (12, 16, 30, 26, 36)
"""How wide the columns are at 120 characters; the last has no limit, so that its commands can be copied."""
COLORS = {"refused": "\033[31m", "warning": "\033[33m", "ok": "\033[32m"}
RESET = "\033[0m"


def status(found: Sequence[Finding]) -> int:
    """The exit status: 1 where something is refused."""
    return 1 if any(finding.level == "refused" for finding in found) else 0


def as_json(stack: str, found: Sequence[Finding]) -> str:
    """Everything, for programs."""
    counts = {level: sum(finding.level == level for finding in found) for level in ("refused", "warning", "ok")}
    return json.dumps({"stack": stack, **counts, "findings": [asdict(finding) for finding in found]}, indent=2)


def table(found: Sequence[Finding], width: int, *, color: bool = False) -> str:
    """Refusals, warnings, and for each machine a line of what is as it should be; only fixes are wider than `width`."""
    told = [finding for finding in found if finding.level != "ok"]
    lines: list[str] = []
    if told:
        widths = [max(len(heading), share * width // 120) for heading, share in zip(HEADINGS, SHARES, strict=True)]
        # Hosts and machines in one piece: they are what is looked for.
        names = [(finding.machine, finding.what) for finding in told]
        for column in range(2):
            words = (word for cells in names for word in cells[column].split())
            widths[column] = max(widths[column], *map(len, words))
        lines += [_row(HEADINGS, widths)[0].rstrip(), "-" * min(width, sum(widths) + 2 * len(widths))]
    for finding in told:
        level = "" if finding.level == "refused" else " (warning)"
        cells = (finding.machine, finding.what + level, finding.found, finding.wanted, finding.fix)
        rows = _row(cells, widths)
        lines += [f"{COLORS[finding.level]}{row}{RESET}" for row in rows] if color else rows
    fine: dict[str, list[str]] = {}
    for finding in found:
        if finding.level == "ok":
            fine.setdefault(finding.machine, []).append(finding.what)
    for machine, whats in fine.items():
        line = f"{machine}: {len(whats)} as it should be: {', '.join(dict.fromkeys(whats))}"
        rows = textwrap.wrap(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        lines += ["", *([f"{COLORS['ok']}{row}{RESET}" for row in rows] if color else rows)]
    return "\n".join(lines).strip("\n")


def _row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """The lines of one row: each cell in its column, the last as it is."""
    columns = [textwrap.wrap(cell, size, break_on_hyphens=False) for cell, size in zip(cells, widths, strict=True)]
    columns[-1] = [cells[-1]]
    return [
        "  ".join(text.ljust(size) for text, size in zip(line, widths, strict=True)).rstrip()
        for line in itertools.zip_longest(*columns, fillvalue="")
    ]


def closing(stack: str, found: Sequence[Finding], seconds: float) -> str:
    """The last line."""
    refused, warned = (sum(finding.level == level for finding in found) for level in ("refused", "warning"))
    verdict = "ready for pulumi up" if not refused else "pulumi up would end before it changes anything"
    return f"stack '{stack}': {refused} refused, {_count(warned, 'warning')} in {seconds:.1f} s: {verdict}"


def warning(finding: Finding) -> str:
    """A warning in a line."""
    return f"{finding.machine}: {finding.what}: {finding.found}; better: {finding.wanted}; {finding.fix}"


def refusal(refused: Sequence[Finding], stack: Stack) -> str:
    """The message that ends the program, in the form of that about wrong settings."""
    blocks = [
        f"  {finding.machine}{_address(finding, stack)}: {finding.what}\n"
        f"    found:    {finding.found}\n    expected: {finding.wanted}\n    fix:      {finding.fix}"
        for finding in refused
    ]
    first = next((finding for finding in refused if finding.machine in stack.machines), None)
    way = []
    if first:
        command = set_command(f"hosts.{first.machine}.ignore[0]", first.what)
        way = [f"Where a finding is wrong (docs/preflight.md): {command}"]
    verb = "keeps" if len(refused) == 1 else "keep"
    head = f"{_count(len(refused), 'thing')} {verb} the machines from what they are asked to be; nothing was changed."
    return "\n\n".join([head, *blocks, *way])


def _address(finding: Finding, stack: Stack) -> str:
    machine = stack.machines.get(finding.machine)
    return f" ({machine.address})" if machine else ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
