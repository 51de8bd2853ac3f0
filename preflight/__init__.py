"""The look at all machines of a stack before anything is changed: `python -m preflight`, and as `pulumi up` begins.

It changes nothing, and needs nothing but requirements.txt. What is found, and what to do, is in docs/preflight.md.
"""

from __future__ import annotations

import pulumi

from settings import Stack

PATIENCE = 30.0
"""Seconds that `pulumi up` waits for machines that are just coming up."""


def require(stack: Stack) -> None:
    """Looks at the stack's machines; raises `pulumi.RunError` with all that is refused, and warns of the rest."""
    if not stack.preflight.enabled:
        return
    # Here, as a preview looks at nothing and has no use for an SSH client: its import is a quarter of a second.
    from preflight import looking, report

    # Printed, not logged: the engine gets logs only when the program goes on.
    found = looking.look(stack, pulumi.get_stack(), PATIENCE, lambda line: print(line, flush=True))
    for finding in found:
        if finding.level == "warning":
            pulumi.log.warn(report.warning(finding))
    if refused := [finding for finding in found if finding.level == "refused"]:
        raise pulumi.RunError(report.refusal(refused, stack))
