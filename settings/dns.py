"""Who answers for the domain.

Owns the section `dns`, and the names that no user may take. Does not own the platform's records: see `stack.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr

from settings.kinds import LABEL, Address, Network, Section, domain_of, matching, text
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


Endpoint = Annotated[str, matching(r"[a-z0-9.-]+(:\d+)?", "a host, and a port where it is not 443")]


class AlicloudSettings(Section):
    """The account at Alibaba Cloud, and the zone that the records are in."""

    zone: Annotated[str, domain_of("dns.alicloud.zone", "a zone of the account's")] | None = Field(
        None,
        description="the zone there that the domain lies in; empty: the longest of the account's that it ends with",
        examples=["example.com"],
    )
    add_zone: bool = Field(
        False, description="true adds the zone to the account if it is not there; it stays when the stack goes"
    )
    access_key: str | None = Field(
        None, description="the key's id; empty: ALICLOUD_ACCESS_KEY of the environment", examples=["LTAI5t..."]
    )
    secret_key: SecretStr | None = Field(
        None, description="the key's secret, as a secret; empty: ALICLOUD_SECRET_KEY of the environment"
    )
    endpoint: Endpoint = Field(
        "alidns.aliyuncs.com", description="who answers for the interface", examples=["alidns.cn-hangzhou.aliyuncs.com"]
    )


class DnsSettings(Section):
    """Who answers for the domain."""

    provider: Literal["bind9", "alicloud", "none"] = Field(
        "bind9",
        description="bind9: an own server on one of the machines; alicloud: Alibaba Cloud's; "
        "none: someone else's server has the records",
    )
    host: str | None = Field(
        None, description="the machine that BIND runs on; with alicloud the machines then ask that", examples=["dns"]
    )
    alicloud: AlicloudSettings = Field(
        default_factory=lambda: AlicloudSettings.model_validate({}), description="with dns.provider alicloud"
    )
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
    ttl: int | None = Field(
        None,
        ge=10,
        le=86400,
        description="how many seconds others may cache a record; empty: 300; with alicloud 600, or what the zone has",
        examples=[300],
    )
    wait: int | None = Field(
        None,
        ge=0,
        le=3600,
        description="how many seconds each machine waits until it resolves names that somebody else answers for; "
        "0: not at all; empty: with alicloud a minute more than resolvers may remember another answer, with none 0",
        examples=[60],
    )
    records: dict[RecordName, Address] = Field(
        default_factory=dict, description="further names below the domain and their addresses"
    )


TTLS = {"bind9": 300, "alicloud": 600, "none": 300}
"""Seconds, by provider, where the settings say nothing. Alibaba Cloud's free zones take no less (QuotaExceeded.TTL)."""


MINUTE = 60
"""Seconds that each machine waits, beside the TTL, until it finds what Alibaba Cloud's servers answer already."""


def record_type(address: str) -> str:
    """A or AAAA."""
    return "AAAA" if ":" in address else "A"


def lies_in(domain: str, zone: str) -> bool:
    """Whether the domain is the zone, or below it."""
    return domain == zone or domain.endswith(f".{zone}")


def asked_for(name: str) -> str:
    """What a resolver is asked for `name`: for `*` a label that no other record has (`any` may be the user's)."""
    return name.replace("*", "auto-devops-any", 1)


def check(dns: DnsSettings, domain: str | None, hosts: Hosts, report: Report) -> None:
    """BIND has a machine where it is asked for, does not ask itself, and no record hides one of the platform's."""
    if dns.provider == "bind9" and dns.host is None:
        names = ", ".join(sorted(hosts)) or "none yet"
        fix = set_command("dns.host", next(iter(hosts), "NAME"))
        report(Problem("dns.host", "nothing", f"the machine that BIND runs on: {names}", fix))
    if dns.provider == "none" and dns.host is not None:
        expected = "nothing: with dns.provider none, no machine runs BIND"
        report(Problem("dns.host", shown(dns.host), expected, remove_command("dns.host")))
    if dns.provider != "alicloud" and dns.alicloud.model_fields_set:
        expected = f"nothing: dns.provider is {dns.provider}"
        report(Problem("dns.alicloud", "settings of an account", expected, remove_command("dns.alicloud")))
    zone = dns.alicloud.zone
    if zone and domain and not lies_in(domain, zone):
        expected = f"a zone that {domain} lies in"
        report(Problem("dns.alicloud.zone", shown(zone), expected, remove_command("dns.alicloud.zone")))
    if dns.alicloud.access_key and not dns.alicloud.secret_key:
        key = "dns.alicloud.secretKey"
        report(Problem(key, "nothing", "the secret of dns.alicloud.accessKey", set_command(key, secret=True)))
    if dns.alicloud.secret_key and not dns.alicloud.access_key:
        key = "dns.alicloud.accessKey"
        report(Problem(key, "nothing", "the id of the key whose secret dns.alicloud.secretKey is", set_command(key)))
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
