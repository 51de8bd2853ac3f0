"""The program's own look at an account: what it reads there, and what it says where it cannot."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from components.dns.alicloud.account import Account, AccountError
from settings.dns import AlicloudSettings
from tests.standins.alidns.clients import Signed
from tests.standins.alidns.standin import ACCOUNT, KEY, SECRET, StandIn, add_record


def account(endpoint: str, key: str = KEY, secret: str = SECRET, **settings: Any) -> Account:
    given = {"endpoint": "alidns.test", "accessKey": key, "secretKey": secret} | settings
    chosen = AlicloudSettings.model_validate(given).model_copy(update={"endpoint": endpoint})
    return Account(chosen, {}, protocol="HTTP")


def test_the_longest_zone_of_the_accounts_own_is_it(standin: StandIn) -> None:
    # The interface matches by parts of names.
    names = ("devops.example.test", "xdevops.example.test", *(f"z{number}.test" for number in range(120)))
    state = standin.administer("GET", "/state")
    state["domains"] |= {
        name: {"name": name, "account": ACCOUNT, "id": f"id of {name}", "created": number}
        for number, name in enumerate(names)
    }
    standin.administer("PUT", "/state", state)
    own = account(standin.endpoint)
    zone = own.zone("devops.example.test")
    assert zone is not None and zone.name == "devops.example.test"
    outer = own.zone("other.example.test")
    assert outer is not None and (outer.name, outer.minimum_ttl) == ("example.test", 600)
    assert own.zone("example.org") is None and own.zone("theirs.test") is None


def test_all_records_are_read_over_all_pages(standin: StandIn) -> None:
    state = standin.administer("GET", "/state")
    for number in range(230):
        add_record(state, "example.test", f"r{number}", "192.0.2.1")
    standin.administer("PUT", "/state", state)
    records = account(standin.endpoint).records("example.test")
    assert {record.name for record in records} >= {f"r{number}" for number in range(230)}
    assert len(records) == len({record.id for record in records})


def test_a_record_as_it_is(standin: StandIn, signed: Signed) -> None:
    made = signed.call(
        "AddDomainRecord", DomainName="example.test", RR="docker", Type="A", Value="192.0.2.1", TTL=600, Line="telecom"
    )["RecordId"]
    signed.call("UpdateDomainRecordRemark", RecordId=made, Remark="auto-devops dev")
    signed.call("SetDomainRecordStatus", RecordId=made, Status="Disable")
    (record,) = account(standin.endpoint).records("example.test")
    assert (record.id, record.name, record.type, record.value) == (made, "docker", "A", "192.0.2.1")
    assert (record.line, record.enabled, record.ttl, record.remark) == ("telecom", False, 600, "auto-devops dev")


@pytest.mark.parametrize(
    ("key", "secret", "found", "expected"),
    [
        ("nobody", SECRET, "InvalidAccessKeyId", "a key of the account's"),
        (KEY, "another", "SignatureDoesNotMatch", "the secret that belongs to the key"),
    ],
)
def test_a_wrong_key_is_told(standin: StandIn, key: str, secret: str, found: str, expected: str) -> None:
    with pytest.raises(AccountError) as caught:
        account(standin.endpoint, key, secret).zone("devops.example.test")
    assert found in caught.value.found and caught.value.expected == expected
    assert secret not in f"{caught.value} {caught.value.fix}"


def test_a_key_for_one_zone_is_enough_where_that_is_named(standin: StandIn) -> None:
    statement = {
        "Effect": "Allow",
        "Action": ["alidns:DescribeDomainInfo", "alidns:DescribeDomainRecords"],
        "Resource": "acs:alidns:*:*:domain/example.test",
    }
    policy = {"Version": "1", "Statement": [statement]}
    standin.administer("PUT", "/keys/LTAIlimited", {"account": ACCOUNT, "secret": "its-secret", "policy": policy})
    named = account(standin.endpoint, "LTAIlimited", "its-secret", zone="example.test")
    zone = named.zone("devops.example.test")
    assert zone is not None and named.records(zone.name) == []
    with pytest.raises(AccountError) as caught:
        account(standin.endpoint, "LTAIlimited", "its-secret").zone("devops.example.test")
    assert "set dns.alicloud.zone" in caught.value.fix


def test_an_endpoint_that_nobody_is_at(standin: StandIn) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(AccountError) as caught:
            account(endpoint).zone("devops.example.test")
    assert endpoint in caught.value.found and "HTTPS_PROXY" in caught.value.fix
