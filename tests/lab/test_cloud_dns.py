"""Names at Alibaba Cloud: a small stack from `up` to `destroy`, with what may go wrong there provoked.

Upstream's provider and Alibaba's own client, against the stand-in; the computer that runs pulumi, the machines and the
workstation resolve names as in the world: by a server that knows nothing of the zone but who has it.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

import pytest

from lab import paths
from lab.alidns import ADMINISTRATION, ENDPOINT, NAME_SERVERS, NAMES, TOP
from lab.inventory import MIRROR
from tests.lab.driver import ADDRESSES, Lab, difference
from tests.standins.alidns.standin import add_record

pytestmark = [pytest.mark.state("bare", changes=True), pytest.mark.full]

DOMAIN = f"devops.{TOP}"
ACCOUNT, KEY, SECRET = "1000000000000001", "LTAIowner", "secret of the owner"
REGISTRY = ADDRESSES["registry"]
OWNER = "auto-devops dev"
READS = ["DescribeDomainInfo", "DescribeDomainRecords", "DescribeDomainRecordInfo"]
WRITES = [
    "AddDomainRecord",
    "UpdateDomainRecord",
    "UpdateDomainRecordRemark",
    "SetDomainRecordStatus",
    "DeleteDomainRecord",
]


@dataclass
class Cloud:
    """The account at Alibaba Cloud, as its owner sees it, and the lab of whoever has its key."""

    lab: Lab

    def administer(self, method: str, path: str, body: Any = None) -> Any:
        data = f"--data {shlex.quote(json.dumps(body))}" if body is not None else ""
        line = f"curl -sS --fail-with-body -X {method} {data} {ADMINISTRATION}{path}"
        said = self.lab.on("alidns", line).succeeded().output
        return json.loads(said) if said.strip() else None

    def records(self) -> list[tuple[str, str, str, str]]:
        """Name, type, value and remark of each."""
        found = self.administer("GET", "/state")["records"].values()
        return sorted((each["rr"], each["type"], each["value"], each["remark"]) for each in found)

    def theirs(self, name: str, value: str, **more: Any) -> None:
        """A record of somebody's."""
        state = self.administer("GET", "/state")
        add_record(state, TOP, name, value, **more)
        self.administer("PUT", "/state", state)

    def without(self, name: str) -> None:
        """Somebody takes all of that name away."""
        state = self.administer("GET", "/state")
        state["records"] = {key: each for key, each in state["records"].items() if each["rr"] != name}
        self.administer("PUT", "/state", state)

    def key(self, actions: list[str] | None = None) -> None:
        """The key is the account's own, or may do just that with the zone."""
        policy = {
            "Version": "1",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": [f"acs:alidns:*:*:domain/{TOP}"]}],
        }
        has = {"account": ACCOUNT, "secret": SECRET} | ({"policy": policy} if actions is not None else {})
        self.administer("PUT", f"/keys/{KEY}", has)

    def refused(self) -> list[str]:
        """What the preflight refuses there."""
        found = self.lab.lab("preflight", "--json").failed().findings("refused")
        return [f"{each['found']}; {each['fix']}" for (machine, _), each in found.items() if machine == "Alibaba Cloud"]


THEIRS = [("registry.devops", "A", REGISTRY, ""), ("shop", "A", "192.0.2.7", "the shop")]


@pytest.fixture(scope="module")
def cloud(lab: Lab) -> Cloud:
    """The zone as somebody has it: with one of the platform's names already, and things of its own."""
    lab.lab("alidns", timeout=3600).succeeded()
    keys = {"ALICLOUD_ACCESS_KEY": KEY, "ALICLOUD_SECRET_KEY": SECRET, "SSL_CERT_FILE": str(paths.MIRROR_CA)}
    made = Cloud(lab.asking(MIRROR.address, keys))
    made.key()
    made.administer("PUT", f"/domains/{TOP}", {"account": ACCOUNT})
    made.theirs("registry.devops", REGISTRY)
    made.theirs("shop", "192.0.2.7", remark="the shop")
    for key in ("gitlab", "kubernetes", "projects", "ci"):
        lab.config(key, None)
    for host in ("gitlab", "k8s"):
        lab.config(f"hosts.{host}", None)
    lab.config("domain", DOMAIN)
    lab.config("dns.host", None)
    for key, value in {"provider": "alicloud", "alicloud.endpoint": ENDPOINT, "alicloud.zone": TOP}.items():
        lab.config(f"dns.{key}", value)
    lab.remember("dns", "registry")
    return made


@pytest.fixture(scope="module")
def made(cloud: Cloud) -> Cloud:
    """The stack, by a key that may do no more than docs/dns.md says."""
    cloud.key([f"alidns:{action}" for action in (*READS, *WRITES)])
    cloud.lab.up().succeeded()
    return cloud


def names(cloud: Cloud, machine: str, name: str) -> str:
    return cloud.lab.on(machine, f"getent ahostsv4 {name} | awk '{{ print $1; exit }}'").output.strip()


def test_a_wrong_secret(cloud: Cloud) -> None:
    wrong = Cloud(cloud.lab.asking(MIRROR.address, {**cloud.lab.environment, "ALICLOUD_SECRET_KEY": "another"}))
    (told,) = wrong.refused()
    assert "SignatureDoesNotMatch" in told


def test_a_missing_right(cloud: Cloud) -> None:
    cloud.key(["alidns:DescribeDomainInfo"])
    (told,) = cloud.refused()
    assert "Forbidden" in told and "docs/dns.md" in told
    cloud.key()


def test_throttling(cloud: Cloud) -> None:
    cloud.administer("POST", "/faults", {"action": "DescribeDomainInfo", "times": 50, "code": "Throttling.User"})
    (told,) = cloud.refused()
    assert "Throttling" in told and "in a minute" in told
    cloud.administer("DELETE", "/faults")


def test_no_such_zone(cloud: Cloud) -> None:
    cloud.lab.config("dns.alicloud.zone", f"devops.{TOP}")
    (told,) = cloud.refused()
    assert "addZone" in told
    cloud.lab.config("dns.alicloud.zone", TOP)


def test_a_zone_whose_name_servers_are_elsewhere(cloud: Cloud) -> None:
    """Its registry leads the world to others."""
    server = b"".join(bytes([len(label)]) + label.encode() for label in ("ns1", "elsewhere", "test", ""))
    cloud.lab.on("mirror", f"echo dns-rr={TOP},2,{server.hex()} >>{NAMES} && systemctl restart dnsmasq").succeeded()
    told = cloud.refused()
    assert any("ns1.elsewhere.test" in each and "registered" in each for each in told), told
    cloud.lab.on("mirror", f"sed -i /^dns-rr/d {NAMES} && systemctl restart dnsmasq").succeeded()


def test_records_in_the_way_are_all_told_before_any_change(cloud: Cloud) -> None:
    cloud.theirs("docker.devops", "192.0.2.9")
    cloud.theirs("devops", "ns1.elsewhere.test", type="NS")
    refused = cloud.lab.up().failed().output
    assert "192.0.2.9" in refused and "ns1.elsewhere.test" in refused
    assert difference(cloud.lab.before["registry"], cloud.lab.snapshot("registry")) == {}
    cloud.without("docker.devops")
    cloud.without("devops")
    assert cloud.records() == THEIRS


def test_up_makes_what_is_missing_and_no_more(made: Cloud) -> None:
    records = made.records()
    mark = next(each for each in records if each[1] == "TXT")
    assert mark[0] == "_auto-devops.devops" and mark[2].startswith(f"{OWNER}: ") and mark[3] == OWNER
    assert sorted([*THEIRS, mark, ("docker.devops", "A", REGISTRY, OWNER)]) == records
    for machine in ("registry", "workstation"):
        assert names(made, machine, f"docker.{DOMAIN}") == REGISTRY
    state = made.lab.pulumi("stack", "export").succeeded().output
    assert KEY not in state and SECRET not in state


def test_up_again_changes_nothing(made: Cloud) -> None:
    assert set(made.lab.up().succeeded().changes) == {"unchanged"}


def test_a_further_name_comes_changes_and_goes(made: Cloud) -> None:
    """On the way the interface is busy, which is waited for."""
    before = made.records()
    for code in ("Throttling.User", "LastOperationNotFinished"):
        made.administer("POST", "/faults", {"action": "AddDomainRecord", "times": 1, "code": code})
    made.lab.config("dns.records.wiki", "192.0.2.20")
    made.lab.up().succeeded()
    assert ("wiki.devops", "A", "192.0.2.20", OWNER) in made.records()
    assert names(made, "registry", f"wiki.{DOMAIN}") == "192.0.2.20"
    made.lab.config("dns.records.wiki", "192.0.2.21")
    assert made.lab.up().succeeded().changes["update"] >= 1
    assert [each[2] for each in made.records() if each[0] == "wiki.devops"] == ["192.0.2.21"]
    made.lab.config("dns.records.wiki", None)
    made.lab.up().succeeded()
    assert made.records() == before
    assert set(made.lab.up().succeeded().changes) == {"unchanged"}


@pytest.mark.parametrize("action", ["AddDomainRecord", "UpdateDomainRecordRemark"])
def test_a_run_that_is_killed_before_it_has_the_answer(made: Cloud, action: str) -> None:
    """The next one finds the record, takes it over and makes no second one."""
    name = f"{action.lower()}.devops"

    def found() -> list[tuple[str, str, str, str]]:
        return [each for each in made.records() if each[0] == name]

    made.lab.config(f"dns.records.{action.lower()}", "192.0.2.30")
    made.administer("POST", "/faults", {"action": action, "times": 1, "delay": 60})
    made.lab.interrupted(lambda _: bool(found()))
    made.administer("DELETE", "/faults")
    assert [each[2] for each in found()] == ["192.0.2.30"]
    made.lab.pulumi("cancel", "--yes").succeeded()
    made.lab.up().succeeded()
    assert found() == [(name, "A", "192.0.2.30", OWNER)]
    assert set(made.lab.up().succeeded().changes) == {"unchanged"}


def test_a_resolver_that_drops_private_addresses_and_the_way_round(made: Cloud) -> None:
    """As many do with public names; the machines then ask the platform's own server."""
    made.lab.on("mirror", f"echo stop-dns-rebind >>{NAMES} && systemctl restart dnsmasq").succeeded()
    made.lab.config("dns.wait", 5)
    refused = made.lab.up().failed().output
    assert "rebinding protection" in refused and "dns.host" in refused
    made.lab.config("dns.host", "dns")
    made.lab.up().succeeded()
    assert names(made, "registry", f"docker.{DOMAIN}") == REGISTRY
    assert set(made.lab.up().succeeded().changes) == {"unchanged"}
    made.lab.on("mirror", f"sed -i /^stop-dns-rebind/d {NAMES} && systemctl restart dnsmasq").succeeded()
    for setting in ("host", "wait"):
        made.lab.config(f"dns.{setting}", None)
    made.lab.up().succeeded()


def test_destroy_takes_the_stacks_records_only(made: Cloud) -> None:
    made.lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
    assert made.records() == THEIRS
    assert list(made.administer("GET", "/state")["domains"]) == [TOP]
    left = {name: difference(made.lab.before[name], made.lab.snapshot(name)) for name in ("dns", "registry")}
    assert left == {"dns": {}, "registry": {}}


def test_a_zone_that_the_stack_adds_stays(cloud: Cloud) -> None:
    """Twice, from nothing to nothing: the second time it is there."""
    new = f"new.{TOP}"
    cloud.key()
    cloud.administer("PUT", f"/registrations/{new}", list(NAME_SERVERS))
    cloud.lab.config("domain", new)
    cloud.lab.config("dns.alicloud.zone", new)
    cloud.lab.config("dns.alicloud.addZone", True)
    for _ in range(2):
        cloud.lab.up().succeeded()
        assert names(cloud, "registry", f"docker.{new}") == REGISTRY
        cloud.lab.pulumi("destroy", "--yes", "--skip-preview").succeeded()
        state = cloud.administer("GET", "/state")
        assert state["domains"][new]["remark"] == OWNER
        assert [each for each in state["records"].values() if each["domain"] == new] == []
    assert cloud.records() == THEIRS
