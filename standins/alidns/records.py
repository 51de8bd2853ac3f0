"""Actions on records: what upstream accepts, as far as the platform and its users go."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from standins.alidns import errors
from standins.alidns.actions import Call, action, named_domain, records_domain
from standins.alidns.domains import LINES
from standins.alidns.matching import PARAMETERS, matching, status
from standins.alidns.store import EDITIONS, Domain, Record, now

_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_RR = re.compile(rf"@|\*|(\*\.)?{_LABEL}(\.{_LABEL})*", re.IGNORECASE)
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})+", re.IGNORECASE)
_NAMES = {"CNAME", "NS", "MX"}
_REDIRECTS = {"REDIRECT_URL", "FORWORD_URL"}  # upstream's spelling
_TYPES = {"A", "AAAA", "TXT", "SRV", "CAA", *_NAMES}
# Ids are as long as upstream's: nineteen digits, more than a JSON number keeps in many a client.
_FIRST = 1_900_000_000_000_000_000


@action(["DomainName", "RR", "Type", "Value", "TTL", "Line", "Priority"], named_domain, changes=True)
def add_domain_record(call: Call) -> dict[str, Any]:
    domain = call.domain()
    moment = now()
    record = Record("", domain.name, "", "", "", 0, "", None, moment, moment)
    _fill(call, domain, record)
    _refuse_double(call, record)
    record.id = str(_FIRST + call.data.number())
    call.data.records[record.id] = record
    return {"RecordId": record.id}


@action(["RecordId", "RR", "Type", "Value", "TTL", "Line", "Priority"], records_domain, changes=True)
def update_domain_record(call: Call) -> dict[str, Any]:
    record = call.record()
    before = (record.rr, record.type, record.value, record.line, record.ttl, record.priority)
    _fill(call, call.data.domains[record.domain], record)
    if before == (record.rr, record.type, record.value, record.line, record.ttl, record.priority):
        # Upstream says so of an update that changes nothing: issue 47 of TimothyYe/godns.
        raise errors.duplicate()
    _refuse_double(call, record)
    record.updated = now()
    return {"RecordId": record.id}


@action(["RecordId"], records_domain, changes=True)
def delete_domain_record(call: Call) -> dict[str, Any]:
    record = call.record()
    del call.data.records[record.id]
    return {"RecordId": record.id}


@action(["RecordId", "Status"], records_domain, changes=True)
def set_domain_record_status(call: Call) -> dict[str, Any]:
    record = call.record()
    call.given.text("Status")
    record.enabled = call.given.choice("Status", {"ENABLE", "DISABLE"}, "") == "ENABLE"
    record.updated = now()
    return {"RecordId": record.id, "Status": status(record)}


@action(["RecordId", "Remark"], records_domain, changes=True)
def update_domain_record_remark(call: Call) -> dict[str, Any]:
    call.record().remark = call.given.optional("Remark")
    return {}


@action(["RecordId"], records_domain)
def describe_domain_record_info(call: Call) -> dict[str, Any]:
    record = call.record()
    domain = call.data.domains[record.domain]
    return {**_shown(record), "DomainId": domain.id, "PunyCode": domain.name, "GroupId": "", "GroupName": ""}


@action(["DomainName", "PageNumber", "PageSize", *PARAMETERS], named_domain)
def describe_domain_records(call: Call) -> dict[str, Any]:
    found = matching(call.data.of(call.domain().name), call.given)
    number = call.given.number("PageNumber", 1, least=1)
    size = call.given.number("PageSize", 20, least=1, most=500)
    listed = [
        {**_shown(record), "CreateTimestamp": record.created, "UpdateTimestamp": record.updated}
        for record in found[(number - 1) * size : number * size]
    ]
    return {"TotalCount": len(found), "PageNumber": number, "PageSize": size, "DomainRecords": {"Record": listed}}


def _fill(call: Call, domain: Domain, record: Record) -> None:
    """The record as the request says it, which has to say all: an update repeats what stays."""
    rr, kind = call.given.text("RR"), call.given.text("Type").upper()
    if kind in _REDIRECTS:
        raise errors.unsupported("records", f"the type {kind}")
    if kind not in _TYPES:
        raise errors.invalid("Type")
    if not _RR.fullmatch(rr):
        raise errors.ApiError("InvalidRR.Format", "Specified parameter RR is not valid.")
    line = call.given.optional("Line", "default")
    if line not in LINES:
        raise errors.invalid("Line")
    least = EDITIONS[domain.edition]
    ttl = call.given.number("TTL", 600)
    if not least <= ttl <= 86400:
        raise errors.ttl(least)
    record.rr, record.type, record.line, record.ttl = rr.lower(), kind, line, ttl
    record.value = _value(kind, call.given.text("Value"))
    if kind == "MX":
        call.given.text("Priority")
    record.priority = call.given.number("Priority", 1, least=1, most=50) if kind == "MX" else None


def _value(kind: str, value: str) -> str:
    """As it is kept: a name without the dot at its end."""
    try:
        if kind == "A":
            return str(ipaddress.IPv4Address(value))
        if kind == "AAAA":
            return str(ipaddress.IPv6Address(value))
    except ValueError:
        raise errors.bad_value() from None
    if kind in _NAMES:
        value = value.removesuffix(".").lower()
        if not _HOST.fullmatch(value):
            raise errors.bad_value()
    if kind == "SRV":
        value = value.removesuffix(".")
        if not re.fullmatch(rf"(\d{{1,5}} ){{3}}{_HOST.pattern}", value, re.IGNORECASE):
            raise errors.bad_value()
    if kind == "CAA" and not re.fullmatch(r'\d{1,3} [a-z]+ "[^"]+"', value):
        raise errors.bad_value()
    if kind == "TXT" and len(value) > 512:
        raise errors.bad_value()
    return value


def _refuse_double(call: Call, record: Record) -> None:
    """No two of the same name, type, line and value; and a CNAME is alone at its name and line.

    Upstream's table of conflicts has more rows, about NS and redirections; they are not stood in for.
    """
    for other in call.data.of(record.domain):
        if other.id == record.id or other.rr != record.rr or other.line != record.line:
            continue
        if (other.type, other.value) == (record.type, record.value):
            raise errors.duplicate()
        if "CNAME" in {other.type, record.type}:
            raise errors.conflict()


def _shown(record: Record) -> dict[str, Any]:
    found = {
        "RecordId": record.id,
        "DomainName": record.domain,
        "RR": record.rr,
        "Type": record.type,
        "Value": record.value,
        "TTL": record.ttl,
        "Line": record.line,
        "Status": status(record),
        "Locked": False,
    }
    if record.priority is not None:
        found["Priority"] = record.priority
    if record.remark:
        found["Remark"] = record.remark
    return found
