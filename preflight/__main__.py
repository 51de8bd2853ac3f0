"""`python -m preflight`: looks at the machines of a stack, in the project's directory."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time

from preflight import config, looking, records, report

STATUS = "exit status: 0 nothing is refused, 1 something is, 2 the settings could not be read or are wrong"
WIDTHS = (80, 160)


def main(arguments: list[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m preflight", description=__doc__, epilog=STATUS)
    parser.add_argument("--json", action="store_true", help="everything that was found, for programs")
    parser.add_argument(
        "--records", action="store_true", help="look at nothing: print the DNS records that the stack needs"
    )
    parser.add_argument("--stack", metavar="NAME", help="the stack; by default the one that is selected")
    parser.add_argument("--config-file", metavar="FILE", help="as for pulumi: where the stack's settings are")
    parser.add_argument(
        "--wait", metavar="SECONDS", type=float, default=0, help="how long to wait for a machine that is coming up"
    )
    chosen = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        name, stack = config.read(chosen.stack, chosen.config_file)
    except config.NotRead as error:
        print(error, file=sys.stderr)
        return 2
    if chosen.records:
        print(records.table(stack), "\nAs lines of a zone file:\n", records.zone_lines(stack), sep="\n")
        return 0
    found = looking.look(stack, name, chosen.wait, lambda line: print(line, file=sys.stderr, flush=True))
    if chosen.json:
        print(report.as_json(name, found))
    else:
        low, high = WIDTHS
        width = min(max(shutil.get_terminal_size((120, 24)).columns, low), high)
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print(report.table(found, width, color=color))
        print()
        print(report.closing(name, found, time.monotonic() - started))
    return report.status(found)


if __name__ == "__main__":
    sys.exit(main())
