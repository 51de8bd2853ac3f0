"""The text of the platform's zone and of BIND's options: pure functions of settings."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from components.templates import render
from settings.dns import record_type

SERIAL_PLACEHOLDER = "@SERIAL@"
"""Where the machine puts the serial; only it knows the last one, and the program's text must not change by itself."""


def zone(domain: str, server: str, records: Mapping[str, str], ttl: int) -> str:
    """The zone file of `domain`. `server` is the name server's address; `records` map names below it to addresses."""
    entries = {"ns": server} | dict(records)
    lines = [
        (name, record_type(address), address)
        for name, address in sorted(entries.items(), key=lambda item: (item[0].split(".")[::-1], item[1]))
    ]
    return render("dns/templates/zone.j2", domain=domain, records=lines, ttl=ttl, serial=SERIAL_PLACEHOLDER)


def options(server: str, forwarders: Sequence[str], allow: Sequence[str], *, validate_dnssec: bool) -> str:
    """BIND's `options`. Without `forwarders` the machine puts in those it had (see `install.sh`)."""
    return render(
        "dns/templates/named.conf.options.j2",
        server=server,
        version=ipaddress.ip_address(server).version,
        forwarders=list(forwarders),
        allow=list(allow),
        dnssec="auto" if validate_dnssec else "no",
    )


def zones(domain: str) -> str:
    """The statement that makes BIND serve the zone."""
    return render("dns/templates/named.conf.zones.j2", domain=domain)
