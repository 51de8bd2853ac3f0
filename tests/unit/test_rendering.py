"""Rendered files, by snapshot and by the parsers of what reads them."""

from __future__ import annotations

import bcrypt
import dns.rdatatype
import dns.zone
import pytest
from syrupy.assertion import SnapshotAssertion

from components.dns import zone
from components.docker_engine.docker_engine import options, plain_relay, unit
from components.host.bundle import pack, unpack
from components.registry_host.htpasswd import htpasswd
from components.registry_host.registry_host import garbage_collection, nginx_configuration
from names import Names
from settings.registry import GarbageCollection

RECORDS = {"docker": "192.168.80.112", "k8s": "192.168.80.96", "*.k8s": "192.168.80.96", "six": "fd00::6"}


def test_zone(snapshot: SnapshotAssertion) -> None:
    assert zone.zone("devops.example.com", "192.168.80.110", RECORDS, 300) == snapshot


def test_zone_is_what_a_name_server_reads() -> None:
    text = zone.zone("devops.example.com", "192.168.80.110", RECORDS, 300).replace(zone.SERIAL_PLACEHOLDER, "7")
    parsed = dns.zone.from_text(text, origin="devops.example.com.")
    assert parsed.get_rdataset("*.k8s", dns.rdatatype.A)[0].to_text() == "192.168.80.96"  # type: ignore[index]
    assert parsed.get_rdataset("six", dns.rdatatype.AAAA)[0].to_text() == "fd00::6"  # type: ignore[index]
    assert parsed.get_soa().serial == 7


def test_zone_does_not_depend_on_the_order_of_records() -> None:
    backwards = dict(reversed(RECORDS.items()))
    assert zone.zone("a.example", "10.0.0.1", RECORDS, 300) == zone.zone("a.example", "10.0.0.1", backwards, 300)


def test_options(snapshot: SnapshotAssertion) -> None:
    assert zone.options("192.168.80.110", ["1.1.1.1"], ["10.0.0.0/8"], validate_dnssec=True) == snapshot


def test_options_without_forwarders_leave_them_to_the_machine() -> None:
    assert "@FORWARDERS@" in zone.options("192.168.80.110", [], [], validate_dnssec=False)


def test_options_on_ipv6() -> None:
    text = zone.options("fd00::1", ["1.1.1.1"], [], validate_dnssec=False)
    assert "listen-on-v6 { ::1; fd00::1; };" in text
    assert "listen-on { 127.0.0.1; };" in text


def test_nginx(snapshot: SnapshotAssertion) -> None:
    assert nginx_configuration(Names("devops.example.com")) == snapshot


def test_docker_unit(snapshot: SnapshotAssertion) -> None:
    assert unit() == snapshot


@pytest.mark.parametrize("tls_port", [2376, None])
def test_docker_options(snapshot: SnapshotAssertion, tls_port: int | None) -> None:
    assert options(tls_port, ["https://mirror.corp:5000"]) == snapshot


def test_docker_unit_is_one_command() -> None:
    """A unit's own command has to be taken back before another one is given."""
    commands = [line for line in unit().splitlines() if line.startswith("ExecStart=")]
    assert commands[0] == "ExecStart=" and [line.split()[0] for line in commands[1:]] == ["ExecStart=@DOCKERD@"]


def test_plain_relay(snapshot: SnapshotAssertion) -> None:
    assert plain_relay() == snapshot


@pytest.mark.parametrize("delete_untagged", [True, False])
def test_garbage_collection_units(snapshot: SnapshotAssertion, delete_untagged: bool) -> None:
    settings = GarbageCollection.model_validate({"schedule": "*-*-* 03:30:00", "deleteUntagged": delete_untagged})
    timer = garbage_collection(settings)
    assert timer.service == snapshot
    assert timer.timer == snapshot


def test_password_line_is_right_and_stable() -> None:
    line = htpasswd("ci", "correct horse")
    name, _, hashed = line.strip().partition(":")
    assert name == "ci"
    assert bcrypt.checkpw(b"correct horse", hashed.encode())
    assert not bcrypt.checkpw(b"wrong horse", hashed.encode())
    assert line == htpasswd("ci", "correct horse"), "another salt would replace the registry at every up"
    assert hashed not in htpasswd("other", "correct horse")


def test_bundle_round_trip() -> None:
    files = {"zone": "a\n", "files/ü": "ö"}
    assert unpack(pack(files)) == files


def test_bundle_is_stable() -> None:
    assert pack({"a": "1", "b": "2"}) == pack({"b": "2", "a": "1"})
    assert pack({"a": "1"}) != pack({"a": "2"})
