"""DNS: a name server of the platform's own, and the hosts that ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.dns.zone import options, zone, zones
from components.host import Check, Host, Script
from components.site import Site
from settings.dns import TTLS, DnsSettings
from settings.machines import Machine

SCRIPTS = Path(__file__).parent / "scripts"
CHECK = SCRIPTS / "check.sh"
RESOLVER_CHECK = SCRIPTS / "resolver-check.sh"


@dataclass(frozen=True)
class DnsArgs:
    """`host` runs BIND; `records` map names below the platform's domain to addresses."""

    site: Site
    host: Host
    settings: DnsSettings
    records: Mapping[str, str]


def _zone(host: str, server: str, domain: str) -> dict[str, str]:
    return {"HOST_NAME": host, "DOMAIN": domain, "SERVER": server}


def _resolver(host: str, server: pulumi.Input[str], domain: str) -> dict[str, pulumi.Input[str]]:
    return {"HOST_NAME": host, "SERVER": server, "DOMAIN": domain}


def check(name: str, machine: Machine, domain: str) -> Check:
    """What the machine of the name server is looked at for; `name` is the component's."""
    return Check(machine, f"{name}-zone", CHECK, _zone(machine.name, machine.address, domain))


def resolver_check(name: str, machine: Machine, server: str, domain: str) -> Check:
    """What each machine is looked at for that is to ask the name server at the address `server`."""
    variables = {key: str(value) for key, value in _resolver(machine.name, server, domain).items()}
    return Check(machine, f"{name}-resolver-{machine.name}", RESOLVER_CHECK, variables)


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
            Script(SCRIPTS / "install.sh", SCRIPTS / "remove.sh", CHECK),
            parent=self,
            variables=_zone(args.host.name, address, self._domain),
            files={
                "zone": zone(self._domain, address, args.records, settings.ttl or TTLS["bind9"]),
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

        That is systemd-resolved, NetworkManager, resolvconf, openresolv, dhclient, dhcpcd or a plain /etc/resolv.conf.
        """
        return host.run(
            f"{self._name}-resolver-{host.name}",
            Script(SCRIPTS / "resolver.sh", SCRIPTS / "unresolver.sh", RESOLVER_CHECK),
            parent=self,
            variables=_resolver(host.name, self.server, self._domain),
        )
