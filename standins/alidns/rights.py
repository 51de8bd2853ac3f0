"""What a key may do: policies as Alibaba's RAM has them.

Which resource an action is checked against: help/en/dns/permission-management (8 Nov 2023), whose policy for one domain
needs `domain/<name>` for everything but DescribeDomains and DescribeDomainNs, which need `*`; AddDomain needs `*` too
(help/en/dns/api-alidns-2015-01-09-adddomain: "All Resource").
"""

from __future__ import annotations

import re
from typing import Any

from standins.alidns.errors import forbidden
from standins.alidns.store import Key


def check(key: Key, action: str, domain: str | None) -> None:
    """Raises Forbidden.RAM; `domain` is None for an action that is granted for all resources or not at all."""
    if key.policy is None:
        return
    resource = f"acs:alidns::{key.account}:domain/{domain}" if domain else None
    allowed = False
    for statement in key.policy["Statement"]:
        if not _names(statement["Action"], f"alidns:{action}", ignore_case=True):
            continue
        if not _covers(statement["Resource"], resource):
            continue
        if statement["Effect"] == "Deny":
            raise forbidden(action, key.account, explicit=True)
        allowed = True
    if not allowed:
        raise forbidden(action, key.account, explicit=False)


def problem(policy: Any) -> str | None:
    """What RAM would refuse to save, or the stand-in does not evaluate."""
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if not isinstance(statements, list):
        return "a policy is {Version, Statement: [{Effect, Action, Resource}]}"
    for statement in statements:
        if extra := set(statement) - {"Effect", "Action", "Resource"}:
            return f"not evaluated in a policy: {', '.join(sorted(extra))}"
        if statement.get("Effect") not in {"Allow", "Deny"} or not {"Action", "Resource"} <= set(statement):
            return "a statement needs Effect (Allow or Deny), Action and Resource"
    return None


def _covers(patterns: str | list[str], resource: str | None) -> bool:
    if resource is None:
        return any(re.fullmatch(r"\*|acs:alidns:[^:]*:[^:]*:(domain/)?\*", one) for one in _list(patterns))
    # The region is empty in the resource's name; `*` in a pattern stands for it as for anything else.
    return _names(patterns, resource, ignore_case=False)


def _names(patterns: str | list[str], value: str, ignore_case: bool) -> bool:
    flags = re.IGNORECASE if ignore_case else 0
    for pattern in _list(patterns):
        expression = ".*".join(re.escape(part) for part in pattern.split("*"))
        if re.fullmatch(expression, value, flags):
            return True
    return False


def _list(found: str | list[str]) -> list[str]:
    return [found] if isinstance(found, str) else found
