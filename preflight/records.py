"""The records that the platform's names need, for whoever makes them elsewhere: a table, and lines of a zone file."""

from __future__ import annotations

from settings import Stack
from settings.dns import TTLS, record_type


def needed(stack: Stack) -> list[tuple[str, str, str]]:
    """Whole name, type and address of each, sorted by name."""
    found = ((f"{name}.{stack.domain}", address) for name, address in stack.records().items())
    return sorted((name, record_type(address), address) for name, address in found)


def table(stack: Stack) -> str:
    """For people who fill in a form."""
    rows = [("name", "type", "value"), *needed(stack)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def zone_lines(stack: Stack) -> str:
    """For a name server's file (RFC 1035, 5.1)."""
    ttl = stack.dns.ttl or TTLS[stack.dns.provider]
    return "\n".join(f"{name}. {ttl} IN {kind} {address}" for name, kind, address in needed(stack))
