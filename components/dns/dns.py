"""DNS: an own name server for the platform's domain, and the hosts that ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.dns.zone import options, zone, zones
from components.host import Host, Script

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class DnsArgs:
    """`records` map names below `domain` to addresses; `ttl` is in seconds; no `forwarders`: those the machine had."""

    host: Host
    domain: str
    records: Mapping[str, str]
    ttl: int = 300
    forwarders: Sequence[str] = ()
    allow_queries_from: Sequence[str] = ()
    validate_dnssec: bool = True


class DNS(pulumi.ComponentResource):
    """BIND 9, authoritative for the platform's zone and forwarding everything else.

    Owns: the package, its options, the zone and its serial on the host, and which server the given hosts ask.
    Does not own: the resolver of computers that are no Host (see `tools/`), and anyone else's name server.
    """

    server: pulumi.Output[str]
    """The name server's address, known once it answers for the zone."""

    def __init__(self, name: str, args: DnsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("auto-devops:index:DNS", name, None, opts)
        self._name = name
        self._domain = args.domain
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

    def resolve_for(self, host: Host) -> pulumi.Resource:
        """Makes `host` ask this server, across reboots, the way its system keeps that.

        That is systemd-resolved, NetworkManager, resolvconf, dhclient or a plain /etc/resolv.conf.
        """
        return host.run(
            f"{self._name}-resolver-{host.name}",
            Script(SCRIPTS / "resolver.sh", SCRIPTS / "unresolver.sh"),
            parent=self,
            variables={"SERVER": self.server, "DOMAIN": self._domain},
        )
