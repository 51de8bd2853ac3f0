"""What the platform's names meet where somebody else answers for them: at Alibaba Cloud, or anywhere.

Owns the findings. Does not own what is looked at in the account: see components/dns/alicloud/look.py.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

from components.host import Finding
from preflight import records
from preflight.here import HERE
from settings import Stack
from settings.dns import asked_for

ACCOUNT = "Alibaba Cloud"
SECONDS = 5.0
"""How long the computer's resolver is waited for."""


async def look(stack: Stack, name: str) -> list[Finding]:
    """The zone of the stack of that `name`, where its settings have one there."""
    if stack.dns.provider == "none":
        return list(await asyncio.gather(*(_resolves(*each) for each in records.needed(stack))))
    if stack.dns.provider == "bind9":
        return []
    return await asyncio.to_thread(lambda: list(_look(stack, name)))


async def _resolves(name: str, kind: str, address: str) -> Finding:
    """Whether this computer finds somebody else's record."""
    family = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
    fix = f"python -m preflight --records lists all of them; here: getent ahosts {asked_for(name)}"
    try:
        asked = asyncio.get_running_loop().getaddrinfo(asked_for(name), 0, family=family)
        found = sorted({str(each[4][0]) for each in await asyncio.wait_for(asked, SECONDS)})
    except (TimeoutError, OSError) as error:
        said = f"no answer within {SECONDS:.0f} s" if isinstance(error, TimeoutError) else str(error.strerror)
        return Finding(HERE, "warning", f"name {name}", said, f"{kind} {address}", fix)
    if address not in found:
        return Finding(HERE, "warning", f"name {name}", ", ".join(found), f"{kind} {address}", fix)
    return Finding(HERE, "ok", f"name {name}", address)


def _look(stack: Stack, name: str) -> Iterator[Finding]:
    from components.dns.alicloud.account import AccountError
    from components.dns.alicloud.look import look as look_at

    try:
        seen = look_at(stack.dns, stack.domain, stack.records(), name, os.environ)
    except AccountError as error:
        yield Finding(ACCOUNT, "refused", "DNS", error.found, error.expected, error.fix)
        return
    what = f"zone {seen.zone}"
    for problem in seen.problems:
        yield Finding(ACCOUNT, "refused", what, problem.found, problem.expected, problem.fix)
    for record in seen.decision.theirs:
        yield Finding(
            ACCOUNT, "ok", what, f"{record.type} {record.name} {record.value} of somebody's, which stays theirs"
        )
    if not seen.problems:
        made = sum(1 for there in seen.decision.managed.values() if not there)
        yield Finding(ACCOUNT, "ok", what, f"{made} records to be made, {len(seen.decision.managed) - made} there")
    if seen.servers:
        own = stack.dns.host is not None and stack.domain == seen.zone
        yield _delegation(seen.zone, seen.servers, f"ns.{stack.domain}" if own else "")


def _delegation(zone: str, servers: tuple[str, ...], own: str) -> Finding:
    """Whether whoever resolves the zone comes to the account's servers; `own` is the platform's, if it has the zone."""
    import dns.exception
    import dns.resolver

    what, wanted = f"name servers of {zone}", f"{', '.join(servers)}, as the account says"
    fix = f"set them where {zone} is registered; until then nobody sees the records"
    try:
        answer = dns.resolver.resolve(zone, "NS", lifetime=SECONDS)
    except dns.exception.DNSException as error:
        return Finding(ACCOUNT, "warning", what, f"this computer's resolver: {error}", wanted, fix)
    found = sorted(str(each.target).rstrip(".").lower() for each in answer)
    if found == [own]:
        said = f"this computer asks the platform's own server, {own}, which does not know"
        return Finding(ACCOUNT, "warning", what, said, wanted, f"elsewhere: dig NS {zone}")
    if {name.rstrip(".").lower() for name in servers}.isdisjoint(found):
        return Finding(ACCOUNT, "refused", what, ", ".join(found), wanted, fix)
    return Finding(ACCOUNT, "ok", what, ", ".join(found))
