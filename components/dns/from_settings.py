"""The name service that a stack's settings choose."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components.dns.dns import DNS, SCRIPTS, DnsArgs
from components.host import Host, Script
from components.site import Site
from settings.dns import MINUTE, DnsSettings

if TYPE_CHECKING:
    from components.dns.alicloud.alicloud_dns import AlicloudDNS


@dataclass(frozen=True)
class NameService:
    """What others need of the name service, whoever runs it; by default somebody else, whom the machines ask already.

    `server` is the address of the platform's own server, known once it answers, and `address` the same without waiting:
    "" leaves names to each machine's own resolver. `resolvers` are what makes the machines ask it.
    """

    server: pulumi.Output[str] | None = None
    address: str = ""
    resolvers: Sequence[pulumi.Resource] = ()


def make_dns(site: Site, hosts: Mapping[str, Host], settings: DnsSettings, records: Mapping[str, str]) -> NameService:
    """The name service that `dns.provider` asks for, with `records` (name below the domain to address)."""
    cloud = _at_alicloud(site, settings, records) if settings.provider == "alicloud" else None
    if settings.host:
        server = hosts[settings.host]
        dns = DNS("dns", DnsArgs(site, server, settings, records))
        return NameService(dns.server, server.address, [dns.resolve_for(host) for host in hosts.values()])
    wait = (cloud.ttl + MINUTE if cloud else 0) if settings.wait is None else settings.wait
    if not wait:
        return NameService(resolvers=[cloud] if cloud else [])
    names = " ".join(f"{name}={address}" for name, address in _whole(site, records).items())
    # Not before: a resolver that asks too early remembers that there is no such name.
    known = cloud.answers.apply(lambda _: names) if cloud else names
    return NameService(
        resolvers=[
            host.run(
                f"dns-names-{host.name}",
                Script(SCRIPTS / "names.sh"),
                parent=host,
                variables={"NAMES": known, "WAIT": str(wait)},
            )
            for host in hosts.values()
        ]
    )


def _at_alicloud(site: Site, settings: DnsSettings, records: Mapping[str, str]) -> AlicloudDNS:
    # Only stacks that have their names there pay for the import (a second).
    from components.dns.alicloud.account import AccountError
    from components.dns.alicloud.alicloud_dns import AlicloudDNS, AlicloudDnsArgs
    from components.dns.alicloud.look import look

    try:
        seen = look(settings, site.names.domain, records, pulumi.get_stack(), os.environ)
    except AccountError as error:
        raise pulumi.RunError(
            f"dns.provider alicloud: {error.found}\n  expected {error.expected}\n  fix: {error.fix}"
        ) from error
    if seen.problems:
        lines = [f"{each.found}: expected {each.expected}; {each.fix}" for each in seen.problems]
        raise pulumi.RunError("\n".join([f"the zone {seen.zone} at Alibaba Cloud:", *lines]))
    return AlicloudDNS(
        "dns-alicloud",
        AlicloudDnsArgs(settings.alicloud, seen, _whole(site, records) if settings.wait != 0 else {}),
    )


def _whole(site: Site, records: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.{site.names.domain}": address for name, address in sorted(records.items())}
