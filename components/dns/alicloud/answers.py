"""Waiting until a zone's own name servers answer with the platform's records.

A resolver that asks too early remembers the absence (RFC 2308).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

import dns.asyncresolver
import dns.exception
import dns.resolver
import pulumi

from settings.dns import asked_for, record_type

SECONDS = 120.0
"""How long; a free zone's servers know a record within seconds."""
PAUSE, PATIENCE = 1.0, 3.0
"""Seconds between two looks, and for one answer."""


async def wait(servers: Sequence[str], names: Mapping[str, str], seconds: float = SECONDS) -> None:
    """Returns when each of `servers` (host names) answers for all `names` (whole names to addresses).

    Raises pulumi.RunError with what is missing after `seconds`.
    """
    started, told = time.monotonic(), 0.0
    while missing := await _missing(servers, names):
        passed = time.monotonic() - started
        if passed > seconds:
            raise pulumi.RunError(
                f"after {passed:.0f} s: {missing[0]}" + (f", and {len(missing) - 1} more" if missing[1:] else "") + "\n"
                "  expected every name server of the zone to answer with the address\n"
                f"  fix: dig @{servers[0]} {next(iter(names))}; a firewall may drop UDP and TCP 53 to the internet; "
                "after changes by hand, or a run that was killed: pulumi up --refresh"
            )
        if passed > told + 5:
            told = passed
            pulumi.log.info(f"waiting for {missing[0]} ({passed:.0f} s of at most {seconds:.0f} s)", ephemeral=True)
        await asyncio.sleep(PAUSE)


async def _missing(servers: Sequence[str], names: Mapping[str, str]) -> list[str]:
    asked = [(server, name, address) for server in servers for name, address in names.items()]
    said = await asyncio.gather(*(_answer(server, name, address) for server, name, address in asked))
    return [
        f"{server} says {answer} for {name}, not {address}"
        for (server, name, address), answer in zip(asked, said, strict=True)
        if answer != address
    ]


async def _answer(server: str, name: str, address: str) -> str:
    try:
        system = dns.asyncresolver.Resolver()
        found = await system.resolve_name(server, lifetime=PATIENCE)
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = list(found.addresses())
        answer = await resolver.resolve(asked_for(name), record_type(address), lifetime=PATIENCE, search=False)
    except (dns.exception.DNSException, OSError) as error:
        return f"{type(error).__name__}"
    # A second address beside it would be somebody's, or one of a former run's.
    return ", ".join(sorted(each.to_text() for each in answer))
