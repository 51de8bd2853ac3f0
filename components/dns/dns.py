"""DNS: a name server of the platform's own, and the hosts that ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.dns.zone import options, zone, zones
from components.host import Host, Script
from components.site import Site
from settings.dns import DnsSettings

SCRIPTS = Path(__file__).parent / "scripts"


@dataclass(frozen=True)
class DnsArgs:
    """`host` runs BIND; `records` map names below the platform's domain to addresses."""

    site: Site
    host: Host
    settings: DnsSettings
    records: Mapping[str, str]


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
        self._domain = args.site.names.domain
        address, settings = args.host.address, args.settings
        served = args.host.run(
            f"{name}-zone",
            Script(SCRIPTS / "install.sh", SCRIPTS / "remove.sh"),
            parent=self,
            variables={"DOMAIN": self._domain, "SERVER": address},
            files={
                "zone": zone(self._domain, address, args.records, settings.ttl),
                "named.conf.zones": zones(self._domain),
                "named.conf.options": options(
                    address,
                    settings.forwarders,
                    settings.allow_queries_from,
                    validate_dnssec=settings.validate_dnssec,
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
