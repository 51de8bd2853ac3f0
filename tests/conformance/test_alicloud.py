"""Names at Alibaba Cloud, by the program's own component and upstream's provider, against the stand-in for the service.

The lab has the same with machines (tests/lab/test_cloud_dns.py); this needs none.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from components.dns import make_dns
from components.dns.alicloud.decision import marks
from components.site import Site
from lab import paths, tools
from lab.steps import StepLog
from names import Names
from settings.dns import DnsSettings
from tests.conformance.conftest import Start
from tests.conformance.engine import Program, Stack
from tests.standins.alidns.standin import ACCOUNT, KEY, SECRET, SERVERS, StandIn, add_record

PROVIDER = tools.ALICLOUD
ZONE = "example.test"
OWNER = "auto-devops test"
MARK = "_auto-devops.devops"
RECORDS = {"docker": "10.0.0.12", "*.k8s": "10.0.0.14"}


@pytest.fixture(scope="module", autouse=True)
def plugin_built(built: None) -> None:
    tools.build_alicloud(StepLog(paths.BUILD / "conformance.log"))


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    certificate = tmp_path_factory.mktemp("certificate") / "server.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", "2"]
        + ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        + ["-keyout", str(certificate), "-out", str(certificate.with_suffix(".crt"))],
        check=True,
        capture_output=True,
    )
    certificate.write_text(certificate.read_text() + certificate.with_suffix(".crt").read_text())
    found = StandIn(tmp_path_factory.mktemp("alidns"), certificate)
    found.start()
    yield found
    found.stop()


@pytest.fixture
def account(process: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Seeded; its key is in the environment, and its certificate believed."""
    process.seed()
    certificate = next(tmp_path_factory.getbasetemp().glob("certificate*/server.crt"))
    environment = {"ALICLOUD_ACCESS_KEY": KEY, "ALICLOUD_SECRET_KEY": SECRET, "SSL_CERT_FILE": str(certificate)}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("components.dns.alicloud.alicloud_dns.wait", _answered(process))
    return process


def _answered(process: StandIn) -> Any:
    async def wait(servers: list[str], names: Mapping[str, str]) -> None:
        """In place of a look at port 53 of those servers: at that of the stand-in."""
        assert sorted(servers) == SERVERS
        for name, address in names.items():
            assert process.answers(name.replace("*", "any")) == [address]

    return wait


def program(account: StandIn, records: Mapping[str, str] | None = None, zone: str = ZONE, **more: object) -> Program:
    """The stack's part that has names, with the records below devops.example.test."""
    alicloud = {"endpoint": account.endpoint, "zone": zone, **more}
    settings = DnsSettings.model_validate({"provider": "alicloud", "alicloud": alicloud, "wait": 0})
    site = cast(Site, SimpleNamespace(names=Names(f"devops.{zone}")))

    def run() -> None:
        make_dns(site, {}, settings, RECORDS if records is None else records)

    return run


def records(account: StandIn, zone: str = ZONE) -> list[tuple[str, str, str]]:
    """Name, value and remark of each."""
    found = account.administer("GET", "/state")["records"].values()
    return sorted((each["rr"], each["value"], each["remark"]) for each in found if each["domain"] == zone)


def ours(account: StandIn) -> list[tuple[str, str, str]]:
    return [each for each in records(account) if each[0] != MARK]


def has(account: StandIn, name: str, value: str, **more: object) -> None:
    """A record in the zone that no state knows."""
    state = account.administer("GET", "/state")
    add_record(state, ZONE, name, value, **more)
    account.administer("PUT", "/state", state)


WANTED = sorted((f"{name}.devops", value, OWNER) for name, value in RECORDS.items())


def nothing_changes(stack: Stack) -> bool:
    return set(stack.up().operations.values()) == {"same"}


@pytest.mark.full
def test_records_come_once_and_go(account: StandIn, start: Start) -> None:
    stack = start(program(account))
    stack.up()
    assert ours(account) == WANTED and len(records(account)) == len(WANTED) + 1
    assert nothing_changes(stack)
    stack.refresh()
    assert nothing_changes(stack)
    assert KEY not in stack.text() and SECRET not in stack.text()
    stack.destroy()
    assert records(account) == [] and ZONE in account.administer("GET", "/state")["domains"]


@pytest.mark.full
def test_a_record_changes_in_its_place(account: StandIn, start: Start) -> None:
    stack = start(program(account))
    stack.up()
    run = stack.up(program(account, RECORDS | {"docker": "10.0.0.99", "wiki": "10.0.0.98"}))
    assert run.operations["dns-alicloud-a-docker.devops"] == "update"
    assert [each[1] for each in ours(account)] == ["10.0.0.14", "10.0.0.99", "10.0.0.98"]
    stack.up(program(account))
    assert ours(account) == WANTED


@pytest.mark.full
@pytest.mark.parametrize("action", ["AddDomainRecord", "UpdateDomainRecordRemark"])
@pytest.mark.parametrize("before", [0, 1], ids=["of the mark", "of a record"])
def test_an_answer_that_never_comes(account: StandIn, start: Start, action: str, before: int) -> None:
    """The next run takes over what was made, and makes nothing twice."""
    names = dict(list(RECORDS.items())[:1])
    if before:
        stack = start(program(account, {}))
        stack.up()
    else:
        stack = start(program(account, names))
    account.administer("POST", "/faults", {"action": action, "times": 1, "drop": True})
    stack.failure(program(account, names))
    stack.up()
    assert ours(account) == [("docker.devops", "10.0.0.12", OWNER)]
    assert [each[0] for each in records(account)].count(MARK) == 1
    assert nothing_changes(stack)


@pytest.mark.full
@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("value", ["10.0.0.11", "10.0.0.12"])
def test_what_a_killed_run_made_is_changed_to_what_is_wanted_now(
    account: StandIn, start: Start, value: str, enabled: bool
) -> None:
    """The state has none of it, and the settings have changed since; or somebody has switched it off."""
    mark = marks(["docker.devops", "gone.devops"], OWNER)[0]
    has(account, "docker.devops", value, remark=OWNER, ttl=700, enabled=enabled)
    has(account, MARK, mark, type="TXT")
    stack = start(program(account, {"docker": "10.0.0.12"}))
    stack.up()
    assert ours(account) == [("docker.devops", "10.0.0.12", OWNER)] and len(records(account)) == 2
    assert nothing_changes(stack)
    stack.destroy()
    assert records(account) == []


@pytest.mark.full
@pytest.mark.parametrize("code", ["Throttling.User", "ServiceUnavailable", "LastOperationNotFinished"])
def test_a_busy_service_is_asked_again(account: StandIn, start: Start, code: str) -> None:
    account.administer("POST", "/faults", {"action": "AddDomainRecord", "times": 1, "code": code})
    start(program(account)).up()
    assert ours(account) == WANTED


@pytest.mark.full
def test_what_is_somebodys_stays(account: StandIn, start: Start) -> None:
    other = start(program(account))
    other.up()
    # As if somebody had made it: no remark, no mark.
    state = account.administer("GET", "/state")
    state["records"] = {key: each | {"remark": ""} for key, each in state["records"].items() if each["rr"] != MARK}
    account.administer("PUT", "/state", state)
    other.destroy()
    account.administer("PUT", "/state", state)
    theirs = records(account)
    other.up(program(account, RECORDS | {"wiki": "10.0.0.98"}))
    assert [each for each in ours(account) if each[2]] == [("wiki.devops", "10.0.0.98", OWNER)]
    other.destroy()
    assert records(account) == theirs


@pytest.mark.full
def test_a_zone_is_added_and_stays(account: StandIn, start: Start) -> None:
    new = program(account, zone="new.test", addZone=True)
    stack = start(new)
    for _ in range(2):
        stack.up(new)
        assert nothing_changes(stack)
        stack.destroy()
        domain = account.administer("GET", "/state")["domains"]["new.test"]
        assert (domain["account"], domain["remark"]) == (ACCOUNT, OWNER)
        assert records(account, "new.test") == []


@pytest.mark.full
@pytest.mark.parametrize("action", ["AddDomain", "UpdateDomainRemark"])
def test_a_zone_of_which_the_answer_never_comes(account: StandIn, start: Start, action: str) -> None:
    new = program(account, zone="new.test", addZone=True)
    stack = start(new)
    account.administer("POST", "/faults", {"action": action, "times": 1, "drop": True})
    stack.failure(new)
    stack.up()
    assert nothing_changes(stack)
    assert [each for each in records(account, "new.test") if each[0] != MARK] == WANTED


@pytest.mark.full
def test_what_its_owner_puts_beside_a_zone_stays(account: StandIn, start: Start) -> None:
    new = program(account, zone="new.test", addZone=True)
    stack = start(new)
    stack.up()
    state = account.administer("GET", "/state")
    state["domains"]["new.test"]["tags"] = {"team": "them"}
    account.administer("PUT", "/state", state)
    stack.refresh()
    assert nothing_changes(stack)
    assert account.administer("GET", "/state")["domains"]["new.test"]["tags"] == {"team": "them"}
