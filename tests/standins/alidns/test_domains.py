"""Domains: what an account has, and what the world thinks of it."""

from __future__ import annotations

import pytest

from tests.standins.alidns.clients import Client, Refused
from tests.standins.alidns.conftest import add
from tests.standins.alidns.standin import ACCOUNT, SERVERS, StandIn


def test_a_domains_life(client: Client) -> None:
    made = client.call("AddDomain", DomainName="New.test")
    assert (made["DomainName"], made["DnsServers"]["DnsServer"]) == ("new.test", SERVERS)
    client.call("UpdateDomainRemark", DomainName="new.test", Remark="auto-devops")
    found = client.call("DescribeDomainInfo", DomainName="new.test")
    assert (found["DomainId"], found["Remark"]) == (made["DomainId"], "auto-devops")
    assert client.call("ListTagResources", ResourceType="DOMAIN", ResourceId=["new.test"])["TagResources"] == []
    record = add(client, DomainName="new.test")
    client.call("DeleteDomain", DomainName="new.test")
    for action, given in (
        ("DescribeDomainInfo", {"DomainName": "new.test"}),
        ("DeleteDomainRecord", {"RecordId": record}),
    ):
        with pytest.raises(Refused) as refused:
            client.call(action, **given)
        assert refused.value.code in {"InvalidDomainName.NoExist", "DomainRecordNotBelongToUser"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("example.test", "InvalidDomainName.Duplicate"),
        ("theirs.test", "DomainAddedByOthers"),
        ("nobodys.test", "InvalidDomainName.Unregistered"),
        ("_x.test", "InvalidDomainName.Format"),
        ("test", "InvalidDomainName.Format"),
    ],
)
def test_a_domain_that_cannot_be_added(client: Client, name: str, expected: str) -> None:
    with pytest.raises(Refused) as refused:
        client.call("AddDomain", DomainName=name)
    assert refused.value.code == expected


def test_the_list(standin: StandIn, client: Client) -> None:
    for number in range(21):
        standin.administer("PUT", f"/domains/d{number}.test", {"account": ACCOUNT})
    found = client.call("DescribeDomains")
    assert (found["TotalCount"], len(found["Domains"]["Domain"])) == (22, 20)
    assert len(client.call("DescribeDomains", PageNumber=2)["Domains"]["Domain"]) == 2
    assert client.call("DescribeDomains", KeyWord="D2")["TotalCount"] == 2  # d2 and d20
    assert client.call("DescribeDomains", KeyWord="d2.test", SearchMode="EXACT")["TotalCount"] == 1
    with pytest.raises(Refused):
        client.call("DescribeDomains", PageSize=101)


def test_details_are_told_on_demand(client: Client) -> None:
    assert "MinTtl" not in client.call("DescribeDomainInfo", DomainName="example.test")
    found = client.call("DescribeDomainInfo", DomainName="example.test", NeedDetailAttributes=True)
    assert (found["MinTtl"], found["AvailableTtls"]["AvailableTtl"][0], found["VersionCode"]) == (600, "600", "mianfei")
    assert "oversea" in [line["LineCode"] for line in found["RecordLines"]["RecordLine"]]


@pytest.mark.parametrize(
    ("delegation", "all_ours", "some_ours"),
    [(SERVERS, True, True), ([SERVERS[0], "ns.elsewhere.test"], False, True), (["ns.elsewhere.test"], False, False)],
)
def test_a_zone_elsewhere(
    standin: StandIn, client: Client, delegation: list[str], all_ours: bool, some_ours: bool
) -> None:
    standin.administer("PUT", "/registrations/example.test", delegation)
    found = client.call("DescribeDomainNs", DomainName="example.test")
    assert (found["AllAliDns"], found["IncludeAliDns"]) == (all_ours, some_ours)
    assert found["DnsServers"]["DnsServer"] == delegation
    assert found["ExpectDnsServers"]["ExpectDnsServer"] == SERVERS
