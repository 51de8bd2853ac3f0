"""Which records are found: fuzzily, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.standins.alidns.clients import Client, Refused
from tests.standins.alidns.conftest import add

RECORDS = [
    ("k8s", "192.0.2.1", {}),
    ("*.k8s", "192.0.2.1", {}),
    ("mk8s", "192.0.2.11", {}),
    ("k8s", "192.0.2.2", {"Line": "oversea"}),
    ("txt", "K8S here", {"Type": "TXT"}),
]


@pytest.fixture
def names(client: Client) -> Any:
    """What a look-up finds, in the order in which the records were made."""
    ids = [add(client, rr, value, **more) for rr, value, more in RECORDS]
    client.call("SetDomainRecordStatus", RecordId=ids[2], Status="Disable")

    def find(**given: Any) -> list[int]:
        found = client.call("DescribeDomainRecords", DomainName="example.test", Direction="ASC", **given)
        return [ids.index(record["RecordId"]) for record in found["DomainRecords"]["Record"]]

    return find


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"RRKeyWord": "K8s"}, [0, 1, 2, 3]),  # fuzzy, and not the value's
        ({"RRKeyWord": "k8s", "SearchMode": "ADVANCED"}, [0, 1, 2, 3]),
        ({"RRKeyWord": "k8s", "SearchMode": "COMBINATION"}, [0, 3]),
        ({"ValueKeyWord": "192.0.2.1"}, [0, 1, 2]),  # also 192.0.2.11
        ({"ValueKeyWord": "192.0.2.1", "SearchMode": "COMBINATION"}, [0, 1]),
        ({"KeyWord": "k8s"}, [0, 1, 2, 3, 4]),  # name or value
        ({"KeyWord": "k8s", "SearchMode": "LIKE"}, [0, 1, 2, 3, 4]),
        ({"KeyWord": "k8s", "SearchMode": "EXACT"}, [0, 3]),
        ({"KeyWord": "k8s", "Line": "oversea", "Type": "TXT"}, [0, 1, 2, 3, 4]),  # the others have no effect
        ({"TypeKeyWord": "txt"}, [4]),
        ({"TypeKeyWord": "T"}, []),
        ({"Type": "A", "Line": "default"}, [0, 1, 2]),
        ({"Type": "A", "Line": "default", "Status": "Enable"}, [0, 1]),
        ({"Status": "DISABLE"}, [2]),
    ],
)
def test_modes(names: Any, given: dict[str, str], expected: list[int]) -> None:
    assert names(**given) == expected


def test_the_newest_comes_first(client: Client) -> None:
    made = [add(client, f"n{number}") for number in range(3)]
    found = client.call("DescribeDomainRecords", DomainName="example.test")["DomainRecords"]["Record"]
    assert [record["RecordId"] for record in found] == made[::-1]


def test_pages(client: Client) -> None:
    for number in range(25):
        add(client, f"n{number}")
    found = client.call("DescribeDomainRecords", DomainName="example.test")
    assert (found["TotalCount"], found["PageNumber"], found["PageSize"]) == (25, 1, 20)
    assert len(found["DomainRecords"]["Record"]) == 20
    found = client.call("DescribeDomainRecords", DomainName="example.test", PageNumber=2, PageSize=20)
    assert [record["RR"] for record in found["DomainRecords"]["Record"]] == ["n4", "n3", "n2", "n1", "n0"]
    beyond = client.call("DescribeDomainRecords", DomainName="example.test", PageNumber=3)
    assert (beyond["TotalCount"], beyond["DomainRecords"]["Record"]) == (25, [])
    for given in ({"PageSize": 501}, {"PageNumber": 0}):
        with pytest.raises(Refused) as refused:
            client.call("DescribeDomainRecords", DomainName="example.test", **given)
        assert refused.value.code == "InvalidParameter"


def test_what_a_list_shows(client: Client) -> None:
    record = add(client, "@", "mail.example.test", Type="MX", Priority=5)
    client.call("UpdateDomainRecordRemark", RecordId=record, Remark="mail")
    (found,) = client.call("DescribeDomainRecords", DomainName="example.test")["DomainRecords"]["Record"]
    assert [found[name] for name in ("Priority", "Remark", "Locked", "Status")] == [5, "mail", False, "ENABLE"]
    assert found["CreateTimestamp"] <= found["UpdateTimestamp"]
