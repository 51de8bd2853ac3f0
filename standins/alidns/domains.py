"""Actions on domains. What a registry would know, their delegation, a test sets by the administrative interface."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime
from typing import Any

from standins.alidns.actions import Call, action, everything, named_domain
from standins.alidns.errors import ApiError, invalid
from standins.alidns.store import EDITIONS, Domain, now

_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])")

_TTLS = (1, 60, 600, 1800, 3600, 43200, 86400)

# Codes and names of a free zone's lines: help.aliyun.com/document_detail/29807.html. Paid editions have some hundred
# more.
LINES = {
    "default": "Default",
    "telecom": "China Telecom",
    "unicom": "China Unicom",
    "mobile": "China Mobile",
    "oversea": "Overseas",
    "edu": "China Education Network",
    "drpeng": "Great Wall Broadband",
    "btvn": "China Broadcasting Network",
}


@action(["DomainName"], everything, changes=True)
def add_domain(call: Call) -> dict[str, Any]:
    name = named_domain(call)
    if not _NAME.fullmatch(name):
        raise ApiError("InvalidDomainName.Format", "Invalid domain name.")
    found = call.data.domains.get(name)
    if found is not None and found.account == call.key.account:
        raise ApiError("InvalidDomainName.Duplicate", "The domain name is duplicated in this user's domain list.")
    if found is not None:
        raise ApiError("DomainAddedByOthers", "The domain name has been added by another user.")
    if name not in call.data.registrations:
        raise ApiError("InvalidDomainName.Unregistered", "The domain name is not registered.")
    domain = Domain(name, call.key.account, str(uuid.UUID(int=call.data.number())), now())
    call.data.domains[name] = domain
    return {"DomainId": domain.id, "DomainName": name, "DnsServers": {"DnsServer": call.servers}, **_group()}


@action(["DomainName"], named_domain, changes=True)
def delete_domain(call: Call) -> dict[str, Any]:
    domain = call.domain()
    del call.data.domains[domain.name]
    # Upstream's records go with their domain, whoever made them.
    for record in call.data.of(domain.name):
        del call.data.records[record.id]
    return {"DomainName": domain.name}


@action(["DomainName", "Remark"], named_domain, changes=True)
def update_domain_remark(call: Call) -> dict[str, Any]:
    call.domain().remark = call.given.optional("Remark")
    return {}


@action(["KeyWord", "SearchMode", "PageNumber", "PageSize"], everything)
def describe_domains(call: Call) -> dict[str, Any]:
    """All of the account's, whatever the key may do with each: upstream's list is not cut by rights."""
    word = call.given.optional("KeyWord").lower()
    exactly = call.given.choice("SearchMode", {"LIKE", "EXACT"}, "LIKE") == "EXACT"
    found = [
        domain
        for domain in call.data.domains.values()
        if domain.account == call.key.account and (word == domain.name if exactly and word else word in domain.name)
    ]
    found.sort(key=lambda domain: (domain.created, domain.id), reverse=True)
    number = call.given.number("PageNumber", 1, least=1)
    size = call.given.number("PageSize", 20, least=1, most=100)
    return {
        "TotalCount": len(found),
        "PageNumber": number,
        "PageSize": size,
        "Domains": {"Domain": [_listed(call, domain) for domain in found[(number - 1) * size : number * size]]},
    }


@action(["DomainName", "NeedDetailAttributes"], named_domain)
def describe_domain_info(call: Call) -> dict[str, Any]:
    domain = call.domain()
    answer = _shown(call, domain)
    if call.given.flag("NeedDetailAttributes"):
        least = EDITIONS[domain.edition]
        lines = [
            {"LineCode": code, "LineName": name, "LineDisplayName": name, "FatherCode": ""}
            for code, name in LINES.items()
        ]
        answer |= {
            "MinTtl": least,
            "AvailableTtls": {"AvailableTtl": [str(ttl) for ttl in _TTLS if ttl >= least]},
            "RecordLines": {"RecordLine": lines},
            "LineType": "region_province",
            "RegionLines": False,
            "SlaveDns": False,
        }
    return answer


@action(["DomainName"], everything)
def describe_domain_ns(call: Call) -> dict[str, Any]:
    """Upstream asks the world's name servers; here a test says what they would have answered."""
    domain = call.domain()
    found = call.data.registrations.get(domain.name, [])
    ours = [name for name in found if name in call.servers]
    answer: dict[str, Any] = {
        "AllAliDns": bool(found) and ours == found,
        "IncludeAliDns": bool(ours),
        "DnsServers": {"DnsServer": found},
        "ExpectDnsServers": {"ExpectDnsServer": call.servers},
    }
    if not found:
        answer["DetectFailedReasonCode"] = "DOMAIN_NAME_UNREGISTERED"
    return answer


@action(["ResourceType", "ResourceId", "NextToken"], everything)
def list_tag_resources(call: Call) -> dict[str, Any]:
    if call.given.text("ResourceType") != "DOMAIN":
        raise invalid("ResourceType")
    names = call.given.several("ResourceId")
    tags = [
        {"ResourceType": "DOMAIN", "ResourceId": name, "TagKey": key, "TagValue": value}
        for name in names
        if (domain := call.data.domains.get(name.lower())) and domain.account == call.key.account
        for key, value in domain.tags.items()
    ]
    return {"TagResources": tags, "NextToken": ""}


def _shown(call: Call, domain: Domain) -> dict[str, Any]:
    return {
        "DomainId": domain.id,
        "DomainName": domain.name,
        "PunyCode": domain.name,
        "Remark": domain.remark,
        "VersionCode": domain.edition,
        "VersionName": "Alibaba Cloud DNS",
        "CreateTime": datetime.fromtimestamp(domain.created / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "DnsServers": {"DnsServer": call.servers},
        "AliDomain": False,
        "ResourceGroupId": "rg-standin",
        **_group(),
    }


def _listed(call: Call, domain: Domain) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in domain.tags.items()]
    return {
        **_shown(call, domain),
        "CreateTimestamp": domain.created,
        "RecordCount": len(call.data.of(domain.name)),
        "Tags": {"Tag": tags},
        "Starmark": False,
    }


def _group() -> dict[str, Any]:
    """Groups are not stood in for: every domain is in the one without a name."""
    return {"GroupId": "", "GroupName": ""}
