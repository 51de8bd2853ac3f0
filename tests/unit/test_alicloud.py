"""Names at Alibaba Cloud: which records are the stack's to make, and what is somebody's."""

from __future__ import annotations

import asyncio
from typing import Any

import pulumi
import pytest

from components.dns.alicloud import answers
from components.dns.alicloud.account import AccountError, Zone, credentials
from components.dns.alicloud.decision import Record, Wanted, below, decide, marked, marks, remark
from components.dns.alicloud.look import Seen, seen
from settings.dns import AlicloudSettings, DnsSettings
from tests.unit import recording
from tests.unit.program import run_with, without

OWNER = remark("dev")
WANTED = Wanted("docker.devops", "A", "10.0.0.12")
MARK = marks([WANTED.name], OWNER)[0]


def record(name: str = "docker.devops", value: str = "10.0.0.12", **changes: object) -> Record:
    """One that somebody has made."""
    values = {"id": "1", "type": "A", "line": "default", "enabled": True, "ttl": 600, "remark": ""} | changes
    return Record(name=name, value=value, **values)  # type: ignore[arg-type]


def mark(name: str = "_auto-devops.devops", value: str = MARK) -> Record:
    return record(name, value, type="TXT", remark=OWNER, id="m")


@pytest.mark.parametrize(
    "there",
    [
        [],
        [record("dockerx.devops"), record("docker"), record("xdocker.devops")],
        [record(line="telecom", value="10.9.9.9"), record(value="10.9.9.9", enabled=False)],
        [record(type="TXT", value="v=spf1"), record(type="MX", value="mail.example.com")],
    ],
    ids=["nothing", "names alike", "another line, and one that is switched off", "types that stand beside it"],
)
def test_what_is_not_there_is_made(there: list[Record]) -> None:
    decision = decide([WANTED], there, OWNER)
    assert (dict(decision.managed), decision.theirs, decision.conflicts) == ({WANTED: ""}, [], [])


def test_what_somebody_has_that_says_the_same_is_left_to_them() -> None:
    theirs = record()
    decision = decide([WANTED], [theirs], OWNER)
    assert (dict(decision.managed), decision.theirs, decision.conflicts) == ({}, [theirs], [])


@pytest.mark.parametrize(
    "changes",
    [
        {"value": "10.9.9.9"},
        {"type": "CNAME", "value": "x.example.com"},
        {"type": "AAAA", "value": "fd00::1"},
        {"type": "NS", "value": "ns.example.net"},
        {"type": "REDIRECT_URL", "value": "http://x"},
        {"name": "Docker.devops", "value": "10.9.9.9"},
        {"enabled": False},
        {"value": "10.9.9.9", "remark": "auto-devops prod"},
    ],
    ids=str,
)
def test_what_somebody_has_that_says_something_else_is_told(changes: dict[str, object]) -> None:
    other = record(**changes)  # type: ignore[arg-type]
    decision = decide([WANTED], [other], OWNER)
    (conflict,) = decision.conflicts
    assert (conflict.record, conflict.disabled) == (other, changes == {"enabled": False})


def test_ours_are_known_by_their_remark() -> None:
    assert decide([WANTED], [record(remark=OWNER, id="7")], OWNER).managed == {WANTED: "7"}
    # It is about to be changed: of one that is imported nothing may differ.
    assert decide([WANTED], [record(remark=OWNER, value="10.0.0.99")], OWNER).managed == {WANTED: ""}


def test_a_run_that_was_killed_before_the_remark_is_known_by_its_mark() -> None:
    assert decide([WANTED], [record(id="7"), mark()], OWNER).managed == {WANTED: "7"}
    others = marks(["docker.devops"], remark("prod"))[0]
    assert decide([WANTED], [record(id="7"), mark(value=others)], OWNER).managed == {}
    assert decide([WANTED], [record(id="7", remark="mine"), mark()], OWNER).managed == {}


def test_a_record_of_somebodys_beside_one_that_says_the_same() -> None:
    decision = decide([WANTED], [record(), record(value="10.9.9.9", id="2")], OWNER)
    assert len(decision.theirs) == 1 and [each.record.id for each in decision.conflicts] == ["2"]


def test_marks_have_room_for_any_number_of_names() -> None:
    names = [f"host{number}.devops" for number in range(100)]
    values = marks(names, OWNER)
    assert len(values) > 1 and all(len(value) <= 255 for value in values)
    there = [mark(f"_auto-devops-{number}.devops", value) for number, value in enumerate(values)]
    assert all(marked(there, name, OWNER) for name in names)
    assert not marked(there, "host100.devops", OWNER)


def test_names_below_the_zone() -> None:
    names = {"docker": "10.0.0.12", "*.k8s": "fd00::4"}
    assert [each.name for each in below("devops.example.com", "example.com", names)] == [
        "docker.devops",
        "*.k8s.devops",
    ]
    assert list(below("example.com", "example.com", names)) == [
        Wanted("docker", "A", "10.0.0.12"),
        Wanted("*.k8s", "AAAA", "fd00::4"),
    ]


def look(there: list[Record], minimum: int = 600, **settings: object) -> Seen:
    dns = DnsSettings.model_validate({"provider": "alicloud", **settings})
    zone = Zone("example.com", minimum, ("ns1.example.net",))
    return seen(dns, "devops.example.com", {"docker": "10.0.0.12"}, OWNER, zone, there)


def test_the_first_run_and_the_next() -> None:
    first = look([])
    assert (first.ttl, first.problems, dict(first.decision.managed)) == (600, [], {WANTED: ""})
    ((marking, there),) = first.marks.items()
    assert (marking, there) == (Wanted("_auto-devops.devops", "TXT", MARK), "")
    again = look([record(remark=OWNER), mark()])
    assert dict(again.marks) == {marking: "m"} and dict(again.decision.managed) == {WANTED: "1"}


def test_a_ttl_below_the_zones_is_told_before_the_first_change() -> None:
    assert look([], minimum=1, ttl=10).ttl == 10
    (problem,) = look([], ttl=300).problems
    assert "at least 600" in problem.expected and "dns.ttl 600" in problem.fix


def test_all_problems_at_once() -> None:
    there = [record(value="10.9.9.9"), record(enabled=False, id="2")]
    found = look(there, ttl=60).problems
    assert len(found) == 3
    assert any("disabled" in each.found and "enable it there" in each.fix for each in found)


def test_the_key_is_the_settings_or_the_environments() -> None:
    own = AlicloudSettings.model_validate({"accessKey": "id", "secretKey": "hidden"})
    environment = {"ALICLOUD_ACCESS_KEY": "id2", "ALICLOUD_SECRET_KEY": "hidden2"}
    assert credentials(own, environment) == ("id", "hidden")
    assert credentials(AlicloudSettings.model_validate({}), environment) == ("id2", "hidden2")
    with pytest.raises(AccountError, match="no key") as caught:
        credentials(AlicloudSettings.model_validate({}), {"ALICLOUD_ACCESS_KEY": "id"})
    assert "ALICLOUD_SECRET_KEY" in caught.value.expected


@pytest.fixture
def cloud(good: dict[str, Any]) -> dict[str, Any]:
    """A small stack whose names are at Alibaba Cloud."""
    small = without(good, "k8s", "gitlab", "dns")
    return small | {"dns": {"provider": "alicloud", "alicloud": {"accessKey": "id", "secretKey": "hidden secret"}}}


def finds(monkeypatch: pytest.MonkeyPatch, there: list[Record], minimum: int = 600) -> None:
    """The account has the zone example.com with these records."""

    def look(settings: DnsSettings, domain: str, records: dict[str, str], stack: str, environment: object) -> Seen:
        return seen(settings, domain, records, remark(stack), Zone("example.com", minimum, ()), there)

    monkeypatch.setattr("components.dns.alicloud.look.look", look)


def test_records_are_registered(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    owner = remark("test")
    theirs, ours = record("registry.devops", "192.168.80.112"), record(value="192.168.80.112", remark=owner, id="7")
    finds(monkeypatch, [theirs, ours])
    recorder = run_with(cloud, ["dns"])
    records = {each.name: each for each in recorder.of_type("alicloud:dns/alidnsRecord:AlidnsRecord")}
    assert sorted(records) == ["dns-alicloud-a-docker.devops", "dns-alicloud-txt-_auto-devops.devops"]
    docker = records["dns-alicloud-a-docker.devops"]
    assert docker.inputs == {
        "domainName": "example.com",
        "remark": owner,
        "rr": "docker.devops",
        "ttl": 600,
        "type": "A",
        "value": "192.168.80.112",
    }
    # What a run made that was killed is taken over, and names are written down before the first record is made.
    assert docker.imported == "7" and "dns-alicloud-txt-_auto-devops.devops" in docker.dependencies
    provider = recorder.one("dns-alicloud-account")
    assert provider.inputs["secretKey"] == recording.Secret("hidden secret")
    assert docker.provider == "dns-alicloud-account" and provider.inputs["accountType"] == "Domestic"
    assert recorder.exported["dnsServer"] is None


def test_a_key_of_the_environment_is_nowhere_in_the_state(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [])
    recorder = run_with(cloud | {"dns": {"provider": "alicloud"}})
    assert not {"accessKey", "secretKey"} & recorder.one("dns-alicloud-account").inputs.keys()


def test_somebodys_record_ends_the_run(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, [record(value="10.9.9.9")])
    with pytest.raises(pulumi.RunError, match=r"A docker\.devops 10\.9\.9\.9 of somebody's"):
        run_with(cloud, ["dns"])


def test_machines_may_ask_bind_all_the_same(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, [])
    both = without(good, "k8s", "gitlab")
    recorder = run_with(both | {"dns": {"provider": "alicloud", "host": "dns"}})
    assert recorder.one("dns-zone") and recorder.one("dns-alicloud-a-docker.devops")


NAMES = {"docker.devops.example.com": "10.0.0.12", "*.k8s.devops.example.com": "10.0.0.14"}


def says(monkeypatch: pytest.MonkeyPatch, *rounds: dict[str, str]) -> list[str]:
    """Name servers that answer so, round by round and at last forever: name to address; who was asked for what."""
    asked: list[str] = []
    left = list(rounds)

    async def answer(server: str, name: str, address: str) -> str:
        asked.append(f"{server} {name}")
        return left[0].get(name, "NXDOMAIN")

    async def pause(_: float) -> None:
        if left[1:]:
            del left[0]

    monkeypatch.setattr(answers, "_answer", answer)
    monkeypatch.setattr(asyncio, "sleep", pause)
    return asked


def test_every_server_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    first = dict(list(NAMES.items())[:1])
    asked = says(monkeypatch, {}, first, NAMES)
    asyncio.run(answers.wait(["ns1", "ns2"], NAMES))
    assert len(asked) == 3 * 4 and set(asked) == {f"{server} {name}" for server in ("ns1", "ns2") for name in NAMES}


def test_a_wait_ends_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, {"docker.devops.example.com": "10.9.9.9"})
    with pytest.raises(pulumi.RunError) as caught:
        asyncio.run(answers.wait(["ns1"], NAMES, seconds=0))
    assert "ns1 says 10.9.9.9 for docker.devops.example.com, not 10.0.0.12, and 1 more" in str(caught.value)
    assert "dig @ns1" in str(caught.value)


@pytest.mark.parametrize(("wait", "waits"), [(None, "60"), (5, "5"), (0, None)])
def test_each_machine_waits_until_it_finds_the_names(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, wait: int | None, waits: str | None
) -> None:
    finds(monkeypatch, [])
    recorder = run_with(cloud | {"dns": cloud["dns"] | ({} if wait is None else {"wait": wait})}, ["dns"])
    waiting = [each for each in recorder.everything if each.name == "dns-names-registry"]
    assert bool(waiting) is (waits is not None)
    for each in waiting:
        assert f"WAIT={waits}" in each.inputs["create"]
        assert "docker.devops.example.com=192.168.80.112" in each.inputs["create"]
