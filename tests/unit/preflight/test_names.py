"""Names that somebody else answers for: the records that are needed, and whether this computer finds them."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import settings
from preflight import names, records
from settings import Stack
from tests.unit.program import finish, without


@pytest.fixture
def elsewhere(good: dict[str, Any]) -> Stack:
    """A stack whose names are somebody else's business."""
    small = without(good, "k8s", "dns") | {"dns": {"provider": "none", "records": {"wiki": "fd00::7"}}}
    return settings.parse(small)


def test_the_records_for_whoever_makes_them(elsewhere: Stack) -> None:
    assert records.table(elsewhere).splitlines() == [
        "name                         type  value",
        "docker.devops.example.com    A     192.168.80.112",
        "gitlab.devops.example.com    A     192.168.80.113",
        "registry.devops.example.com  A     192.168.80.112",
        "wiki.devops.example.com      AAAA  fd00::7",
    ]
    assert "wiki.devops.example.com. 300 IN AAAA fd00::7" in records.zone_lines(elsewhere).splitlines()


def test_whether_this_computer_finds_them(elsewhere: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known = {"docker": "192.168.80.112", "gitlab": "10.9.9.9", "wiki": "fd00::7"}

    def getaddrinfo(name: str, *_: object, **__: object) -> list[Any]:
        address = known.get(name.split(".")[0])
        if not address:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(0, 0, 0, "", (address, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    found = {each.what: each for each in finish(names.look(elsewhere, "dev"))}
    levels = {what.split()[1].split(".")[0]: each.level for what, each in found.items()}
    assert levels == {"docker": "ok", "gitlab": "warning", "registry": "warning", "wiki": "ok"}
    assert found["name gitlab.devops.example.com"].found == "10.9.9.9"
    assert "--records" in found["name registry.devops.example.com"].fix


@pytest.mark.parametrize(
    ("found", "own", "level"),
    [
        (["ns1.example.net."], "", "ok"),
        (["ns1.elsewhere.test."], "", "refused"),
        # The computer asks the platform's BIND, which has the zone's name as its own.
        (["ns.example.com."], "ns.example.com", "warning"),
        (["ns.example.com."], "", "refused"),
    ],
)
def test_who_answers_for_the_zone(monkeypatch: pytest.MonkeyPatch, found: list[str], own: str, level: str) -> None:
    monkeypatch.setattr("dns.resolver.resolve", lambda *_, **__: [SimpleNamespace(target=name) for name in found])
    assert names._delegation("example.com", ("ns1.example.net", "ns2.example.net"), own).level == level
