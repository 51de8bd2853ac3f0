"""Who is let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.standins.alidns.clients import Client, Refused, Signed
from tests.standins.alidns.conftest import CLIENTS
from tests.standins.alidns.standin import KEY, SECRET, StandIn


def test_a_right_signature_is_let_in(client: Client) -> None:
    assert [found["DomainName"] for found in client.call("DescribeDomains")["Domains"]["Domain"]] == ["example.test"]


def test_what_is_hard_to_escape_is_signed(client: Client) -> None:
    value = "a+b *~/ä&=%"
    record = client.call("AddDomainRecord", DomainName="example.test", RR="t", Type="TXT", Value=value)["RecordId"]
    assert client.call("DescribeDomainRecordInfo", RecordId=record)["Value"] == value


def test_a_wrong_secret_is_refused(standin: StandIn, kind: str) -> None:
    with pytest.raises(Refused, match="server string to sign is:") as refused:
        CLIENTS[kind](standin.endpoint, KEY, "wrong").call("DescribeDomains")
    assert (refused.value.status, refused.value.code) == (400, "SignatureDoesNotMatch")


def test_an_unknown_key_is_refused(standin: StandIn, kind: str) -> None:
    with pytest.raises(Refused) as refused:
        CLIENTS[kind](standin.endpoint, "LTAInobody", SECRET).call("DescribeDomains")
    assert (refused.value.status, refused.value.code) == (404, "InvalidAccessKeyId.NotFound")


def test_a_changed_parameter_breaks_the_signature(signed: Signed) -> None:
    query = signed.query("DescribeDomains")
    query["Signature"] = signed.signature("POST", query)
    with pytest.raises(Refused) as refused:
        signed.send("POST", {**query, "PageSize": "7"})
    assert refused.value.code == "SignatureDoesNotMatch"


def test_the_method_is_signed(signed: Signed) -> None:
    query = signed.query("DescribeDomains")
    query["Signature"] = signed.signature("GET", query)
    assert signed.send("GET", query)["TotalCount"] == 1
    with pytest.raises(Refused) as refused:
        signed.send("POST", query)
    assert refused.value.code == "SignatureDoesNotMatch"


def test_a_request_is_good_once(signed: Signed) -> None:
    query = signed.query("DescribeDomains")
    query["Signature"] = signed.signature("POST", query)
    signed.send("POST", query)
    with pytest.raises(Refused) as refused:
        signed.send("POST", query)
    assert refused.value.code == "SignatureNonceUsed"


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_request_is_good_for_a_quarter_of_an_hour(signed: Signed, minutes: int) -> None:
    query = signed.query("DescribeDomains")
    query["Timestamp"] = (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with pytest.raises(Refused) as refused:
        signed.send("POST", {**query, "Signature": signed.signature("POST", query)})
    assert refused.value.code == "InvalidTimeStamp.Expired"


@pytest.mark.parametrize("name", ["AccessKeyId", "SignatureNonce", "Timestamp"])
def test_all_of_the_signature_has_to_be_there(signed: Signed, name: str) -> None:
    query = signed.query("DescribeDomains")
    del query[name]
    with pytest.raises(Refused) as refused:
        signed.send("POST", {**query, "Signature": signed.signature("POST", query)})
    assert refused.value.code == f"Missing{name}"


def test_other_schemes_are_refused_by_name(signed: Signed) -> None:
    with pytest.raises(Refused, match="a security token of DescribeDomains") as refused:
        signed.call("DescribeDomains", SecurityToken="sts")
    assert (refused.value.status, refused.value.code) == (400, "StandIn.Unsupported")
