"""What a stack's names meet in the zone at Alibaba Cloud, before anything there is changed.

Owns the order of looking, and what of it is told. Both the preflight and the program look, each by itself: a preview of
the one and an `up` without the other must not differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from components.dns.alicloud.account import Account, AccountError, Zone
from components.dns.alicloud.decision import (
    Conflict,
    Decision,
    Record,
    Wanted,
    below,
    decide,
    mark_name,
    marks,
    remark,
)
from settings.dns import TTLS, DnsSettings
from settings.problems import set_command


@dataclass(frozen=True)
class Problem:
    """What keeps the names out of the zone."""

    found: str
    expected: str
    fix: str


@dataclass(frozen=True)
class Seen:
    """`zone` is its name, known or, where the settings add it, wanted. With problems, nothing may be made."""

    zone: str
    ttl: int
    remark: str
    decision: Decision
    marks: Mapping[Wanted, Record | None]
    servers: tuple[str, ...] = ()
    """The zone's name servers, as the account has them; empty where it is not there yet."""
    adds: bool = False
    """Whether the zone is the stack's: one that it has added, or is about to."""
    problems: list[Problem] = field(default_factory=list)


def look(
    settings: DnsSettings, domain: str, records: Mapping[str, str], stack: str, environment: Mapping[str, str]
) -> Seen:
    """Reads zone and records for the stack of that name. Raises AccountError where it cannot."""
    account = Account(settings.alicloud, environment)
    zone = account.zone(domain)
    there: list[Record] = []
    if zone:
        there = account.records(zone.name)
    elif not settings.alicloud.add_zone:
        wanted = settings.alicloud.zone or f"a zone that {domain} lies in"
        raise AccountError(
            f"no zone {wanted} in the account" if settings.alicloud.zone else f"{wanted} is not in the account",
            "the zone that owns the platform's domain",
            f"add it there; or {set_command('dns.alicloud.addZone', 'true')}",
        )
    owner = remark(stack)
    # Not there: it will be the stack's, have its remark, and be a free one.
    zone = zone or Zone(settings.alicloud.zone or domain, TTLS["alicloud"], (), owner)
    return seen(settings, domain, records, owner, zone, there)


def seen(
    settings: DnsSettings, domain: str, records: Mapping[str, str], owner: str, zone: Zone, there: list[Record]
) -> Seen:
    """What follows from what is there: pure."""
    wanted = list(below(domain, zone.name, records))
    decision = decide(wanted, there, owner)
    marking = [
        Wanted(mark_name(domain, zone.name, number), "TXT", value)
        for number, value in enumerate(marks([each.name for each in decision.managed], owner))
    ]
    ttl = settings.ttl or max(TTLS["alicloud"], zone.minimum_ttl)
    problems = [*_conflicts(decision.conflicts)]
    if ttl < zone.minimum_ttl:
        fix = set_command("dns.ttl", str(zone.minimum_ttl))
        problems.append(Problem(f"dns.ttl {ttl}", f"at least {zone.minimum_ttl}, the zone's own minimum", fix))
    there_already = {each: _mark_there(each, there, owner) for each in marking}
    adds = settings.alicloud.add_zone and zone.remark == owner
    return Seen(zone.name, ttl, owner, decision, there_already, zone.servers, adds, problems)


def _mark_there(mark: Wanted, there: list[Record], owner: str) -> Record | None:
    """The mark that is there, whose value says whose it is; names may have come and gone since a killed run made it."""
    alike = [each for each in there if (each.name, each.type, each.line) == (mark.name, mark.type, "default")]
    own = [each for each in alike if each.value.startswith(f"{owner}:") and each.enabled]
    return min(own, key=lambda each: each.value != mark.value, default=None)


def _conflicts(conflicts: Sequence[Conflict]) -> Iterator[Problem]:
    for each in conflicts:
        record = each.record
        text = f"{record.type} {record.name} {record.value}"
        if each.disabled:
            yield Problem(
                f"{text}, disabled, of somebody's",
                "no second record like the stack's: the interface refuses it",
                "enable it there (the stack then leaves it as it is), or remove it",
            )
        else:
            yield Problem(
                f"{text} of somebody's",
                f"{each.wanted.type} {each.wanted.value}, or no record of that name",
                "remove or correct it there; or another auto-devops:domain",
            )
