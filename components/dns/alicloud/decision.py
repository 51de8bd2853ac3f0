"""Which records of a zone are the stack's to make, and which are somebody's: pure functions of what is there.

Owns the comparison, and how the stack knows its own. Does not own how records are read (account.py) or made
(alicloud_dns.py).

A record of the stack's carries a remark; the interface adds it in a second call, between which a run may be killed
(terraform-provider-alicloud v1.285.0, alicloud/resource_alicloud_alidns_record.go). So names are written down before
the first record is made, in TXT records beside them: `marks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from settings.dns import record_type

MARK = "_auto-devops"
"""Name below the platform's domain of the TXT records that say which names are the stack's."""
_MARK_LENGTH = 240
"""Characters of one of them; a string in a TXT record has at most 255 (RFC 1035, 3.3.14)."""
_OWNERS = "auto-devops "
REMARK_LENGTH = 50
"""Characters that a remark may have (Alibaba Cloud, UpdateDomainRecordRemark)."""


@dataclass(frozen=True)
class Record:
    """One as the zone has it. `name` is below the zone, `@` for the zone itself."""

    id: str
    name: str
    type: str
    value: str
    line: str
    enabled: bool
    ttl: int
    remark: str


@dataclass(frozen=True)
class Wanted:
    """One that the platform needs; `name` is below the zone."""

    name: str
    type: str
    value: str


@dataclass(frozen=True)
class Conflict:
    """A record of somebody's in the place of a wanted one."""

    wanted: Wanted
    record: Record

    @property
    def disabled(self) -> bool:
        """Whether it is the wanted one, switched off: the interface takes no second one like it."""
        return not self.record.enabled


@dataclass(frozen=True)
class Decision:
    """What becomes of each wanted record."""

    managed: Mapping[Wanted, Record | None]
    """The stack's, with the one of it that is there: whether or not it says so yet."""
    theirs: Sequence[Record]
    """Those of somebody's that say what is wanted: read, never managed."""
    conflicts: Sequence[Conflict]


def remark(stack: str) -> str:
    """What the own records of the stack of that name carry."""
    whole = f"{_OWNERS}{stack}"
    if len(whole) <= REMARK_LENGTH:
        return whole
    # Two long names may begin alike, and one stack would then have the other's records for its own.
    end = f"-{_token(stack)}"
    return whole[: REMARK_LENGTH - len(end)] + end


def marks(names: Sequence[str], owner: str) -> list[str]:
    """Values of the TXT records that say which `names` are those of `owner` (a remark)."""
    found: list[str] = []
    line = head = f"{owner}:"
    for token in sorted(_token(name.lower()) for name in names):
        if len(line) + 1 + len(token) > _MARK_LENGTH:
            found.append(line)
            line = head
        line = f"{line} {token}"
    return [*found, line]


def marked(records: Sequence[Record], name: str, owner: str) -> bool:
    """Whether one of the marks that are there has `name` as `owner`'s."""
    return any(
        record.type == "TXT"
        and record.name.split(".")[0].startswith(MARK)
        and record.value.startswith(f"{owner}:")
        and _token(name.lower()) in record.value.removeprefix(f"{owner}:").split()
        for record in records
    )


def decide(wanted: Sequence[Wanted], there: Sequence[Record], owner: str, line: str = "default") -> Decision:
    """Compares by exact name, type, line and value. `owner` is the remark of the stack's own."""
    managed: dict[Wanted, Record | None] = {}
    theirs: list[Record] = []
    conflicts: list[Conflict] = []
    for each in wanted:
        beside = [record for record in there if record.name.lower() == each.name.lower() and record.line == line]
        own = [record for record in beside if record.remark == owner or _begun(record, each, there, owner)]
        others = [record for record in beside if record not in own]
        same = [record for record in others if (record.type, record.value) == (each.type, each.value)]
        conflicts += [Conflict(each, r) for r in others if r.enabled and r not in same and _in_the_way(r, each)]
        conflicts += [Conflict(each, r) for r in there if r.enabled and _leads_elsewhere(r, each.name)]
        if enabled := [record for record in same if record.enabled]:
            theirs += enabled
        else:
            conflicts += [Conflict(each, record) for record in same]
            managed[each] = _nearest(own, each)
    return Decision(managed, theirs, conflicts)


def _begun(record: Record, wanted: Wanted, there: Sequence[Record], owner: str) -> bool:
    """Whether it is the stack's without its remark: a run was killed before, or somebody has given it another."""
    return _says(record, wanted) and not record.remark.startswith(_OWNERS) and marked(there, wanted.name, owner)


def _says(record: Record, wanted: Wanted) -> bool:
    return (record.type, record.value, record.enabled) == (wanted.type, wanted.value, True)


def _nearest(own: Sequence[Record], wanted: Wanted) -> Record | None:
    """The one to take over. What a run made that was killed may say what the settings said then, or be switched off."""
    alike = [record for record in own if record.type == wanted.type]
    return min(alike, key=lambda record: (record.value != wanted.value, not record.enabled), default=None)


def _in_the_way(record: Record, wanted: Wanted) -> bool:
    """Another answer for the same name, or a record that no other may stand beside."""
    if wanted.type == "TXT":
        return record.type in ("CNAME", "NS")
    return record.type in ("A", "AAAA", "CNAME", "NS", "REDIRECT_URL", "FORWORD_URL")  # so the interface spells it


def _leads_elsewhere(record: Record, name: str) -> bool:
    """Whether it hands the names that `name` lies below to other servers."""
    return record.type == "NS" and record.name != "@" and name.lower().endswith(f".{record.name.lower()}")


def _token(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def below(domain: str, zone: str, names: Mapping[str, str]) -> Iterator[Wanted]:
    """`names` (below the domain, to addresses) as A or AAAA records of the zone that the domain lies in."""
    for name, address in names.items():
        yield Wanted(_in_zone(name, domain, zone), record_type(address), address)


def mark_name(domain: str, zone: str, number: int = 0) -> str:
    """Name of the mark of that number, below the zone."""
    return _in_zone(f"{MARK}-{number}" if number else MARK, domain, zone)


def _in_zone(name: str, domain: str, zone: str) -> str:
    """A name below the domain as one below the zone."""
    return name if domain == zone else f"{name}.{domain.removesuffix(f'.{zone}')}"
