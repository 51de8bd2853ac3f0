"""Who answers for the domain.

Owns the section `dns`, and the names that no user may take. Does not own the platform's records: see `stack.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from settings.kinds import LABEL, Address, Network, Section, text
from settings.machines import Hosts
from settings.problems import Problem, Report, rejected, remove_command, set_command, shown

# Names that the platform itself needs below the domain, whether or not their component is in the stack yet.
RESERVED_RECORDS = ("docker", "registry", "gitlab", "k8s", "*.k8s", "ns", "*")


def _record(value: object) -> str:
    name = text(value)
    labels = name.split(".")
    if labels[0] == "*":
        labels = labels[1:]
    if not labels or not all(LABEL.fullmatch(label) for label in labels):
        raise rejected("a name below the domain, without the domain itself, such as wiki or *.apps")
    return name


RecordName = Annotated[str, BeforeValidator(_record)]


class DnsSettings(Section):
    """Who answers for the domain."""

    provider: Literal["bind9", "none"] = Field(
        "bind9", description="bind9: an own server on one of the machines; none: someone else's server has the records"
    )
    host: str | None = Field(None, description="the machine that BIND runs on", examples=["dns"])
    forwarders: list[Address] = Field(
        default_factory=list,
        description="who is asked for all other names; empty: the resolvers that the machine had",
        examples=['["192.168.80.1"]'],
    )
    allow_queries_from: list[Network] = Field(
        default_factory=lambda: ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"],
        description="networks that may ask, beside the machine's own",
        examples=['["192.168.80.0/24"]'],
    )
    validate_dnssec: bool = Field(
        True, description="false where the forwarders strip signatures, as in many closed networks", examples=["false"]
    )
    ttl: int = Field(300, ge=10, le=86400, description="how many seconds others may cache a record", examples=[300])
    records: dict[RecordName, Address] = Field(
        default_factory=dict, description="further names below the domain and their addresses"
    )


def check(dns: DnsSettings, hosts: Hosts, report: Report) -> None:
    """BIND has a machine where it is asked for, does not ask itself, and no record hides one of the platform's."""
    if dns.provider == "bind9" and dns.host is None:
        names = ", ".join(sorted(hosts)) or "none yet"
        fix = set_command("dns.host", next(iter(hosts), "NAME"))
        report(Problem("dns.host", "nothing", f"the machine that BIND runs on: {names}", fix))
    if dns.provider == "none" and dns.host is not None:
        expected = "nothing: with dns.provider none, no machine runs BIND"
        report(Problem("dns.host", shown(dns.host), expected, remove_command("dns.host")))
    server = hosts.get(dns.host) if dns.host else None
    for index, forwarder in enumerate(dns.forwarders):
        if server and forwarder == server.address:
            key = f"dns.forwarders[{index}]"
            report(Problem(key, shown(forwarder), "another server: BIND would forward to itself", remove_command(key)))
    for name, address in dns.records.items():
        if name in RESERVED_RECORDS:
            key = f"dns.records.{name}"
            expected = "a name that the platform does not use itself (" + ", ".join(RESERVED_RECORDS) + ")"
            report(Problem(key, shown(address), expected, remove_command(key)))
