"""Bind9: an own name server for the platform's domain on one of the hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pulumi

from components.dns.zone import options, zone, zones
from components.host import Host, Script

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class Bind9Args:
    """`records` map names below `domain` to addresses; `ttl` is in seconds; no `forwarders`: those the machine had."""

    host: Host
    domain: str
    records: Mapping[str, str]
    ttl: int = 300
    forwarders: Sequence[str] = ()
    allow_queries_from: Sequence[str] = field(default_factory=tuple)
    validate_dnssec: bool = True


class Bind9(pulumi.ComponentResource):
    """BIND 9, authoritative for the platform's zone and forwarding everything else.

    Owns: the package, its options, the zone and its serial on the host.
    Does not own: who asks it; `use_resolver` makes a host do so.
    """

    server: pulumi.Output[str]
    """The name server's address, known once it answers for the zone."""

    def __init__(self, name: str, args: Bind9Args, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:DNS", name, None, opts)
        address = args.host.address
        served = args.host.run(
            f"{name}-zone",
            Script(SCRIPTS / "install.sh", SCRIPTS / "remove.sh"),
            parent=self,
            variables={"DOMAIN": args.domain, "SERVER": address},
            files={
                "zone": zone(args.domain, address, args.records, args.ttl),
                "named.conf.zones": zones(args.domain),
                "named.conf.options": options(
                    address, args.forwarders, args.allow_queries_from, validate_dnssec=args.validate_dnssec
                ),
            },
        )
        self.server = served.id.apply(lambda _: address)
        self.register_outputs({"server": self.server})
