"""Policies: by action and by domain."""

from __future__ import annotations

import pytest

from tests.standins.alidns.clients import Client, Refused
from tests.standins.alidns.conftest import Limited, add
from tests.standins.alidns.standin import ACCOUNT, StandIn

# As Alibaba's documentation has it for one domain: help/en/dns/permission-management.
ONE = {"Effect": "Allow", "Action": "alidns:*", "Resource": "acs:alidns:*:*:domain/example.test"}
READ = {"Effect": "Allow", "Action": "alidns:Describe*", "Resource": "*"}


def refusal(client: Client, action: str, **given: object) -> Refused:
    with pytest.raises(Refused) as refused:
        client.call(action, **given)
    return refused.value


def test_a_key_for_one_domain(standin: StandIn, limited: Limited) -> None:
    standin.administer("PUT", "/domains/second.test", {"account": ACCOUNT})
    client = limited(ONE)
    record = add(client)
    client.call("UpdateDomainRecordRemark", RecordId=record, Remark="ours")
    client.call("UpdateDomainRecord", RecordId=record, RR="www", Type="A", Value="192.0.2.2")
    client.call("SetDomainRecordStatus", RecordId=record, Status="Disable")
    assert client.call("DescribeDomainRecords", DomainName="example.test")["TotalCount"] == 1
    client.call("DeleteDomainRecord", RecordId=record)
    for action in ("DescribeDomainInfo", "DescribeDomainRecords", "DeleteDomain"):
        assert refusal(client, action, DomainName="second.test").code == "Forbidden.RAM"


def test_what_is_granted_for_all_or_nothing(limited: Limited) -> None:
    client = limited(ONE)
    assert refusal(client, "DescribeDomains").code == "Forbidden.RAM"
    assert refusal(client, "DescribeDomainNs", DomainName="example.test").code == "Forbidden.RAM"
    assert refusal(client, "AddDomain", DomainName="new.test").code == "Forbidden.RAM"
    client = limited(ONE, READ)
    assert client.call("DescribeDomains")["TotalCount"] == 1
    assert client.call("DescribeDomainNs", DomainName="example.test")["AllAliDns"]


def test_a_key_that_only_reads(client: Client, limited: Limited) -> None:
    record = add(client)
    reader = limited(READ)
    assert reader.call("DescribeDomainRecordInfo", RecordId=record)["RR"] == "www"
    refused = refusal(reader, "DeleteDomainRecord", RecordId=record)
    assert (refused.status, refused.code) == (400, "Forbidden.RAM")
    assert refused.data["AccessDeniedDetail"]["AuthAction"] == "alidns:DeleteDomainRecord"
    assert refused.data["AccessDeniedDetail"]["NoPermissionType"] == "ImplicitDeny"
    assert client.call("DescribeDomainRecords", DomainName="example.test")["TotalCount"] == 1


def test_a_denial_wins(limited: Limited) -> None:
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    client = limited(everything, {"Effect": "Deny", "Action": ["alidns:AddDomainRecord"], "Resource": ["*"]})
    refused = refusal(client, "AddDomainRecord", DomainName="example.test", RR="a", Type="A", Value="192.0.2.1")
    assert refused.data["AccessDeniedDetail"]["NoPermissionType"] == "ExplicitDeny"


def test_a_right_is_asked_for_before_the_domain(limited: Limited) -> None:
    """A key for one domain learns of no other whether it is there."""
    assert refusal(limited(ONE), "DescribeDomainInfo", DomainName="nowhere.test").code == "Forbidden.RAM"


def test_a_policy_that_is_not_evaluated_is_refused(standin: StandIn) -> None:
    policy = {"Version": "1", "Statement": [{**ONE, "Condition": {}}]}
    with pytest.raises(ValueError, match="not evaluated in a policy: Condition"):
        standin.administer("PUT", "/keys/LTAIx", {"account": ACCOUNT, "secret": "x", "policy": policy})
