"""What the zones' name servers answer."""

from __future__ import annotations

import dns.flags
import dns.rcode
import pytest

from tests.standins.alidns.clients import Client, Signed
from tests.standins.alidns.conftest import add
from tests.standins.alidns.standin import SERVERS, StandIn


def test_records_come_and_go(standin: StandIn, client: Client) -> None:
    first, second = add(client), add(client, value="192.0.2.2")
    assert standin.answers("www.example.test") == ["192.0.2.1", "192.0.2.2"]
    client.call("SetDomainRecordStatus", RecordId=first, Status="Disable")
    assert standin.answers("www.example.test") == ["192.0.2.2"]
    client.call("DeleteDomainRecord", RecordId=second)
    answer = standin.ask("www.example.test")
    assert answer.rcode() == dns.rcode.NXDOMAIN and answer.flags & dns.flags.AA
    assert answer.authority[0].to_text().startswith("example.test. 600 IN SOA ns1.alidns.test.")


def test_only_the_default_line_is_answered(standin: StandIn, signed: Signed) -> None:
    add(signed, Line="oversea")
    assert standin.ask("www.example.test").rcode() == dns.rcode.NXDOMAIN


def test_wildcards(standin: StandIn, signed: Signed) -> None:
    add(signed, "*.k8s", "192.0.2.7")
    add(signed, "a.b.k8s", "192.0.2.8")
    assert standin.answers("x.k8s.example.test") == ["192.0.2.7"]
    assert standin.answers("y.x.k8s.example.test") == ["192.0.2.7"]
    assert standin.ask("x.k8s.example.test").answer[0].name.to_text() == "x.k8s.example.test."
    # A name with something below it is there, without records: the wildcard does not speak for it.
    for name in ("b.k8s.example.test", "k8s.example.test"):
        answer = standin.ask(name)
        assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


@pytest.mark.parametrize(
    ("kind", "value", "more", "expected"),
    [
        ("AAAA", "2001:db8::1", {}, ["2001:db8::1"]),
        ("TXT", 'say "hi" \\', {}, ['"say \\"hi\\" \\\\"']),
        ("TXT", "x" * 300, {}, [f'"{"x" * 255}" "{"x" * 45}"']),
        ("MX", "mail.other.test.", {"Priority": 7}, ["7 mail.other.test."]),
        ("SRV", "1 2 443 host.other.test.", {}, ["1 2 443 host.other.test."]),
        ("CAA", '0 issue "ca.test"', {}, ['0 issue "ca.test"']),
        ("NS", "ns.other.test", {}, ["ns.other.test."]),
    ],
)
def test_types(
    standin: StandIn, signed: Signed, kind: str, value: str, more: dict[str, int], expected: list[str]
) -> None:
    add(signed, "x", value, Type=kind, **more)
    assert standin.answers("x.example.test", kind) == expected


def test_aliases_are_followed_in_the_zone(standin: StandIn, signed: Signed) -> None:
    add(signed, "alias", "www.example.test", Type="CNAME")
    add(signed)
    assert standin.answers("alias.example.test") == ["192.0.2.1", "www.example.test."]


def test_the_zones_own_names(standin: StandIn) -> None:
    assert standin.answers("example.test", "NS") == [f"{name}." for name in SERVERS]
    assert standin.answers(SERVERS[0]) == ["192.0.2.53"]
    assert standin.ask("elsewhere.test").rcode() == dns.rcode.REFUSED
    assert standin.ask("example.test", "AXFR").rcode() == dns.rcode.REFUSED


def test_long_answers_go_by_tcp(standin: StandIn, signed: Signed) -> None:
    for number in range(60):
        add(signed, value=f"192.0.2.{number}")
    short = standin.ask("www.example.test", payload=512)
    assert short.flags & dns.flags.TC and not short.answer
    assert len(standin.ask("www.example.test", tcp=True).answer[0]) == 60


def test_a_change_is_answered_when_it_is_published(standin: StandIn, signed: Signed) -> None:
    standin.administer("PUT", "/publishing", {"delay": None})
    add(signed)
    assert standin.ask("www.example.test").rcode() == dns.rcode.NXDOMAIN
    standin.administer("PUT", "/publishing", {"delay": 0})
    assert standin.answers("www.example.test") == ["192.0.2.1"]


def test_a_late_change_does_not_bring_back_an_older_zone(standin: StandIn, signed: Signed) -> None:
    standin.administer("PUT", "/publishing", {"delay": 0.5})
    record = add(signed)
    standin.administer("PUT", "/publishing", {"delay": 0})
    signed.call("DeleteDomainRecord", RecordId=record)
    standin.administer("POST", "/faults", {"action": "DescribeDomains", "delay": 1})
    signed.call("DescribeDomains")
    assert standin.ask("www.example.test").rcode() == dns.rcode.NXDOMAIN


def test_the_zone_file(standin: StandIn, signed: Signed) -> None:
    add(signed)
    text = standin.administer("GET", "/zones/example.test")
    assert "www.example.test. 600 IN A 192.0.2.1\n" in text and text.startswith("$ORIGIN example.test.\n")
    with pytest.raises(ValueError, match="no zone nowhere"):
        standin.administer("GET", "/zones/nowhere.test")
