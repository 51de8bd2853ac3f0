"""Records: made, changed, put away, refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.standins.alidns.clients import Client, Refused, Signed
from tests.standins.alidns.conftest import CLIENTS, add
from tests.standins.alidns.standin import ACCOUNT, OTHER, StandIn


def code(client: Client, action: str, **given: Any) -> str:
    with pytest.raises(Refused) as refused:
        client.call(action, **given)
    assert refused.value.status == 400
    return refused.value.code


def adding(client: Client, **given: Any) -> str:
    return code(
        client,
        "AddDomainRecord",
        **{"DomainName": "example.test", "RR": "x", "Type": "A", "Value": "192.0.2.9", **given},
    )


def test_a_records_life(client: Client) -> None:
    record = add(client)
    found = client.call("DescribeDomainRecordInfo", RecordId=record)
    del found["RequestId"], found["DomainId"]
    assert found == {
        "RecordId": record,
        "DomainName": "example.test",
        "PunyCode": "example.test",
        "RR": "www",
        "Type": "A",
        "Value": "192.0.2.1",
        "TTL": 600,
        "Line": "default",
        "Status": "ENABLE",
        "Locked": False,
        "GroupId": "",
        "GroupName": "",
    }
    client.call("UpdateDomainRecord", RecordId=record, RR="www", Type="A", Value="192.0.2.2", TTL=900)
    client.call("UpdateDomainRecordRemark", RecordId=record, Remark="auto-devops")
    assert client.call("SetDomainRecordStatus", RecordId=record, Status="DISABLE")["Status"] == "DISABLE"
    found = client.call("DescribeDomainRecordInfo", RecordId=record)
    assert [found[name] for name in ("Value", "TTL", "Remark", "Status")] == [
        "192.0.2.2",
        900,
        "auto-devops",
        "DISABLE",
    ]
    assert client.call("DeleteDomainRecord", RecordId=record)["RecordId"] == record
    for action in ("DescribeDomainRecordInfo", "DeleteDomainRecord"):
        assert code(client, action, RecordId=record) == "DomainRecordNotBelongToUser"


def test_a_duplicate_is_of_name_type_line_and_value(client: Client) -> None:
    record = add(client)
    assert adding(client, RR="WWW", Value="192.0.2.1") == "DomainRecordDuplicate"
    client.call("SetDomainRecordStatus", RecordId=record, Status="Disable")
    assert adding(client, RR="www", Value="192.0.2.1", TTL=900) == "DomainRecordDuplicate"
    second = add(client, value="192.0.2.2")
    add(client, Line="oversea")
    same = {"RecordId": second, "RR": "www", "Type": "A"}
    assert code(client, "UpdateDomainRecord", **same, Value="192.0.2.1") == "DomainRecordDuplicate"
    assert code(client, "UpdateDomainRecord", **same, Value="192.0.2.2") == "DomainRecordDuplicate"
    # Refused, it is as it was.
    assert client.call("DescribeDomainRecordInfo", RecordId=second)["Value"] == "192.0.2.2"


def test_a_cname_is_alone(client: Client) -> None:
    add(client)
    assert adding(client, RR="www", Type="CNAME", Value="other.test") == "DomainRecordConflict"
    add(client, "www", "other.test.", Type="CNAME", Line="oversea")
    assert adding(client, RR="www", Type="TXT", Value="x", Line="oversea") == "DomainRecordConflict"


@pytest.mark.parametrize(
    ("edition", "least"), [("mianfei", 600), ("version_enterprise_basic", 60), ("version_enterprise_advanced", 1)]
)
def test_the_least_ttl_is_the_editions(standin: StandIn, client: Client, edition: str, least: int) -> None:
    standin.administer("PUT", "/domains/paid.test", {"account": ACCOUNT, "edition": edition})
    with pytest.raises(Refused, match=f"in the range of {least} to 86400") as refused:
        add(client, DomainName="paid.test", TTL=least - 1)
    assert refused.value.code == "QuotaExceeded.TTL"
    record = add(client, DomainName="paid.test", TTL=least)
    with pytest.raises(Refused) as refused:
        client.call("UpdateDomainRecord", RecordId=record, RR="www", Type="A", Value="192.0.2.1", TTL=86401)
    assert refused.value.code == "QuotaExceeded.TTL"


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("A", "192.0.2"),
        ("A", "host.test"),
        ("AAAA", "192.0.2.1"),
        ("CNAME", "host"),
        ("SRV", "1 2 host.test"),
        ("CAA", "x"),
    ],
)
def test_a_value_of_another_kind(client: Client, type_: str, value: str) -> None:
    assert adding(client, Type=type_, Value=value) == "SubDomainInvalid.Value"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"RR": "a b"}, "InvalidRR.Format"),
        ({"RR": "x.*"}, "InvalidRR.Format"),
        ({"Type": "PTR"}, "InvalidParameter"),
        ({"Line": "nowhere"}, "InvalidParameter"),
        ({"TTL": "soon"}, "InvalidParameter"),
        ({"Type": "MX", "Value": "mail.test"}, "MissingPriority"),
        ({"DomainName": "nowhere.test"}, "InvalidDomainName.NoExist"),
        ({"DomainName": "theirs.test"}, "IncorrectDomainUser"),
        ({"Type": "REDIRECT_URL", "Value": "http://x.test"}, "StandIn.Unsupported"),
    ],
)
def test_what_is_refused(client: Client, given: dict[str, str], expected: str) -> None:
    assert adding(client, **given) == expected


@pytest.mark.parametrize(("type_", "before"), [("CNAME", ""), ("NS", ""), ("SRV", "1 2 443 "), ("MX", "")])
def test_a_names_final_dot_goes(client: Client, type_: str, before: str) -> None:
    record = add(client, "x", f"{before}host.other.test.", Type=type_, Priority=1)
    assert client.call("DescribeDomainRecordInfo", RecordId=record)["Value"] == f"{before}host.other.test"


@pytest.mark.parametrize("rr", ["@", "*", "*.k8s", "a.b", "_acme-challenge", "k8s"])
def test_names_that_are_allowed(client: Client, rr: str) -> None:
    assert client.call("DescribeDomainRecordInfo", RecordId=add(client, rr))["RR"] == rr


def test_anothers_record_is_not_there(standin: StandIn, client: Client, kind: str) -> None:
    standin.administer("PUT", "/keys/LTAItheirs", {"account": OTHER, "secret": "theirs"})
    theirs = add(CLIENTS[kind](standin.endpoint, "LTAItheirs", "theirs"), DomainName="theirs.test")
    for action in ("DescribeDomainRecordInfo", "DeleteDomainRecord"):
        assert code(client, action, RecordId=theirs) == "DomainRecordNotBelongToUser"


def test_what_is_missing_is_named(client: Client) -> None:
    assert code(client, "AddDomainRecord", DomainName="example.test", RR="x", Type="A") == "MissingValue"
    assert code(client, "DescribeDomainRecords") == "MissingDomainName"


def test_unknown_actions_and_parameters_are_named(client: Client, signed: Signed) -> None:
    with pytest.raises(Refused, match="the action AddDomainGroup") as refused:
        client.call("AddDomainGroup", GroupName="x")
    assert (refused.value.status, refused.value.code) == (400, "StandIn.Unsupported")
    with pytest.raises(Refused, match="the parameter GroupId of DescribeDomainRecords"):
        client.call("DescribeDomainRecords", DomainName="example.test", GroupId=1)
    with pytest.raises(Refused, match="the version 2014 of DescribeDomains"):
        signed.call("DescribeDomains", Version="2014")
    with pytest.raises(Refused, match="the format XML of DescribeDomains"):
        signed.call("DescribeDomains", Format="XML")
