"""Names at Alibaba Cloud: which records are the stack's to make, and what is somebody's."""

from __future__ import annotations

import asyncio
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from components.dns.alicloud import answers
from components.dns.alicloud.account import Account, AccountError, Zone, credentials
from components.dns.alicloud.decision import Decision, Record, Wanted, below, decide, marked, marks, remark
from components.dns.alicloud.look import Seen, seen
from components.dns.alicloud.look import look as look_at
from settings.dns import AlicloudSettings, DnsSettings
from tests.unit import recording
from tests.unit.program import finish, run_with, without

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
    assert (dict(decision.managed), decision.theirs, decision.conflicts) == ({WANTED: None}, [], [])


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
        {"name": "Devops", "type": "NS", "value": "ns.example.net"},
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


def there(decision: Decision) -> dict[Wanted, str]:
    """The ids of the stack's that are there."""
    return {wanted: record.id for wanted, record in decision.managed.items() if record}


def test_ours_are_known_by_their_remark() -> None:
    assert there(decide([WANTED], [record(remark=OWNER, id="7")], OWNER)) == {WANTED: "7"}
    # A killed run made it when the settings had another address: it changes, and no second one comes beside it.
    former = record(remark=OWNER, value="10.0.0.99", id="8")
    assert there(decide([WANTED], [former], OWNER)) == {WANTED: "8"}
    assert there(decide([WANTED], [former, record(remark=OWNER, id="7")], OWNER)) == {WANTED: "7"}
    # Somebody has switched it off: a second one like it would be refused.
    assert there(decide([WANTED], [record(remark=OWNER, id="9", enabled=False)], OWNER)) == {WANTED: "9"}
    assert there(decide([WANTED], [record(remark=OWNER, type="AAAA", value="fd00::1")], OWNER)) == {}


def test_stacks_with_long_names_that_begin_alike_are_two() -> None:
    one, other, upper = (remark("a-team-of-ours-with-a-long-name-in-a-region-" + end) for end in ("x", "y", "Y"))
    assert len({one, other, upper}) == 3 and len(one) == len(other) == 50
    assert remark("x" * 38) == "auto-devops " + "x" * 38
    assert decide([WANTED], [record(remark=other, value="10.9.9.9")], one).conflicts


def test_a_run_that_was_killed_before_the_remark_is_known_by_its_mark() -> None:
    assert there(decide([WANTED], [record(id="7"), mark()], OWNER)) == {WANTED: "7"}
    others = marks(["docker.devops"], remark("prod"))[0]
    assert decide([WANTED], [record(id="7"), mark(value=others)], OWNER).managed == {}
    assert decide([WANTED], [record(id="7", remark=remark("prod")), mark()], OWNER).managed == {}
    # A person's word beside it makes it nobody else's: the next run would remove it as one that it no longer wants.
    assert there(decide([WANTED], [record(id="7", remark="mine"), mark()], OWNER)) == {WANTED: "7"}


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
    assert (first.ttl, first.problems, dict(first.decision.managed)) == (600, [], {WANTED: None})
    ((marking, there),) = first.marks.items()
    assert (marking, there) == (Wanted("_auto-devops.devops", "TXT", MARK), None)
    ours, marked_so = record(remark=OWNER), mark()
    again = look([ours, marked_so])
    assert dict(again.marks) == {marking: marked_so} and dict(again.decision.managed) == {WANTED: ours}


def test_a_mark_without_its_remark_is_the_stacks() -> None:
    """A run was killed between the two; its value says whose it is."""
    half = record("_auto-devops.devops", MARK, type="TXT", id="m")
    assert list(look([half]).marks.values()) == [half]


def test_a_mark_that_says_less_is_the_stacks() -> None:
    """A run was killed before it could say that it had made it, and names have come since."""
    former = mark(value=f"{OWNER}:")
    others = record("_auto-devops.devops", f"{remark('prod')}:", type="TXT")
    assert list(look([others, former]).marks.values()) == [former]
    assert list(look([others]).marks.values()) == [None]


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
    with pytest.raises(AccountError, match="ALICLOUD_SECURITY_TOKEN in the environment"):
        credentials(own, environment | {"ALICLOUD_SECURITY_TOKEN": "of another key's"})
    with pytest.raises(AccountError, match="no key") as caught:
        credentials(AlicloudSettings.model_validate({}), {"ALICLOUD_ACCESS_KEY": "id"})
    assert "ALICLOUD_SECRET_KEY" in caught.value.expected


@pytest.fixture
def cloud(good: dict[str, Any]) -> dict[str, Any]:
    """A small stack whose names are at Alibaba Cloud."""
    small = without(good, "k8s", "gitlab", "dns")
    return small | {"dns": {"provider": "alicloud", "alicloud": {"accessKey": "id", "secretKey": "hidden secret"}}}


def finds(
    monkeypatch: pytest.MonkeyPatch,
    there: list[Record],
    minimum: int = 600,
    servers: tuple[str, ...] = (),
    word: str = "",
) -> None:
    """The account has the zone example.com with these records, and `word` beside the zone."""

    def look(settings: DnsSettings, domain: str, records: dict[str, str], stack: str, environment: object) -> Seen:
        zone = Zone("example.com", minimum, servers, word)
        return seen(settings, domain, records, remark(stack), zone, there)

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
    assert docker.imported == "7" and "domainName" in docker.ignore_changes and "ttl" in docker.ignore_changes
    assert docker.delete_before_replace
    assert "dns-alicloud-txt-_auto-devops.devops" in docker.dependencies
    provider = recorder.one("dns-alicloud-account")
    assert provider.inputs["secretKey"] == recording.Secret("hidden secret")
    assert provider.inputs["accessKey"] == recording.Secret("id")
    assert docker.provider == "dns-alicloud-account" and provider.inputs["accountType"] == "Domestic"
    assert recorder.exported["dnsServer"] is None


def test_a_record_that_says_what_the_settings_said_is_taken_over_and_changed(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [record(remark=remark("test"), value="10.0.0.99", id="7")])
    docker = run_with(cloud, ["dns"]).one("dns-alicloud-a-docker.devops")
    assert docker.imported == "7" and not {"value", "ttl"} & set(docker.ignore_changes)


def test_a_wildcard_beside_a_name_that_is_spelled_like_it(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [])
    both = {"*.apps": "192.0.2.1", "any.apps": "192.0.2.2"}
    recorder = run_with(cloud | {"dns": {"provider": "alicloud", "records": both}})
    names = [each.name for each in recorder.of_type("alicloud:dns/alidnsRecord:AlidnsRecord") if "apps" in each.name]
    assert len(names) == len(set(names)) == 2


def test_a_key_of_the_environment_is_nowhere_in_the_state(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    finds(monkeypatch, [])
    recorder = run_with(cloud | {"dns": {"provider": "alicloud"}})
    assert not {"accessKey", "secretKey"} & recorder.one("dns-alicloud-account").inputs.keys()


@pytest.mark.parametrize("again", [False, True])
def test_a_zone_that_the_stack_adds(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, again: bool) -> None:
    """It stays when the stack goes, and is taken over when the stack comes again."""
    waited: list[object] = []

    async def wait(servers: object, names: object) -> None:
        waited.append(names)

    monkeypatch.setattr("components.dns.alicloud.alicloud_dns.wait", wait)
    finds(monkeypatch, [], servers=("ns1.example.net",) if again else (), word=remark("test"))
    recorder = run_with(cloud | {"dns": {"provider": "alicloud", "alicloud": {"addZone": True}}})
    zone = recorder.one("dns-alicloud-zone")
    assert zone.inputs == {"domainName": "example.com", "remark": remark("test")}
    assert zone.imported == ("example.com" if again else "")
    # What its owner puts there stays: the provider would remove tags that the program does not name.
    assert {"tags", "groupId"} <= set(zone.ignore_changes)
    assert "dns-alicloud-zone" in recorder.one("dns-alicloud-txt-_auto-devops.devops").dependencies
    assert waited == [dict.fromkeys(("docker.devops.example.com", "registry.devops.example.com"), "192.168.80.112")]


def test_a_zone_that_was_there_is_not_the_stacks(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, [], word="the company's")
    recorder = run_with(cloud | {"dns": {"provider": "alicloud", "alicloud": {"addZone": True}}})
    assert "dns-alicloud-zone" not in [each.name for each in recorder.everything]


def test_somebodys_record_ends_the_run(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, [record(value="10.9.9.9")])
    with pytest.raises(pulumi.RunError, match=r"A docker\.devops 10\.9\.9\.9 of somebody's"):
        run_with(cloud, ["dns"])


def test_machines_may_ask_bind_all_the_same(good: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    finds(monkeypatch, [])
    both = without(good, "k8s", "gitlab")
    recorder = run_with(both | {"dns": {"provider": "alicloud", "host": "dns"}})
    assert recorder.one("dns-zone") and recorder.one("dns-alicloud-a-docker.devops")


@pytest.mark.parametrize("kind", ["zone", "records"])
def test_an_answer_of_somebody_elses_is_not_an_empty_zone(kind: str) -> None:
    """Another service's endpoint, or a proxy's own page."""

    class Strange(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Strange) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = AlicloudSettings.model_validate({"endpoint": f"127.0.0.1:{server.server_port}", "zone": "a.test"})
        account = Account(settings, {"ALICLOUD_ACCESS_KEY": "id", "ALICLOUD_SECRET_KEY": "hidden"}, "HTTP")
        with pytest.raises(AccountError, match="an answer without it"):
            account.zone("a.test") if kind == "zone" else account.records("a.test")
        server.shutdown()


def test_a_ttl_that_a_new_zone_would_not_take_is_told_before_it_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "zone", lambda *_: None)
    settings = {"accessKey": "id", "secretKey": "hidden", "zone": "example.com", "addZone": True}
    dns = DnsSettings.model_validate({"provider": "alicloud", "ttl": 300, "alicloud": settings})
    (problem,) = look_at(dns, "devops.example.com", {"docker": "10.0.0.12"}, "dev", {}).problems
    assert "at least 600" in problem.expected


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
    finish(answers.wait(["ns1", "ns2"], NAMES))
    assert len(asked) == 3 * 4 and set(asked) == {f"{server} {name}" for server in ("ns1", "ns2") for name in NAMES}


def test_a_wait_ends_with_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, {"docker.devops.example.com": "10.9.9.9"})
    with pytest.raises(pulumi.RunError) as caught:
        finish(answers.wait(["ns1"], NAMES, seconds=0))
    assert "ns1 says 10.9.9.9 for docker.devops.example.com, not 10.0.0.12, and 1 more" in str(caught.value)
    assert "dig @ns1" in str(caught.value)


def test_a_second_address_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a former run's would be found every other time."""
    texts: list[str] = []

    async def resolve_name(*_: object, **__: object) -> Any:
        return SimpleNamespace(addresses=lambda: ["192.0.2.53"])

    async def resolve(_: object, name: str, *__: object, **___: object) -> Any:
        asked.append(name)
        return [SimpleNamespace(to_text=lambda text=text: text) for text in texts]

    asked: list[str] = []
    monkeypatch.setattr("dns.asyncresolver.Resolver.resolve_name", resolve_name)
    monkeypatch.setattr("dns.asyncresolver.Resolver.resolve", resolve)
    texts[:] = ["10.0.0.14"]
    assert asyncio.run(answers._answer("ns1", "*.k8s.example.com", "10.0.0.14")) == "10.0.0.14"
    texts[:] = ["10.0.0.14", "10.0.0.11"]
    assert asyncio.run(answers._answer("ns1", "*.k8s.example.com", "10.0.0.14")) == "10.0.0.11, 10.0.0.14"
    # A name of the user's may be `any`.
    assert set(asked) == {"auto-devops-any.k8s.example.com"}


@pytest.mark.parametrize(("wait", "waits"), [(None, "660"), (5, "5"), (0, None)])
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
