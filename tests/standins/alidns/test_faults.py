"""What goes wrong on demand, and what is left of it: restarts, kills, lost answers."""

from __future__ import annotations

import time

import pytest

from standins.alidns.api import ACTIONS
from tests.standins.alidns.clients import Client, Refused, Signed
from tests.standins.alidns.conftest import add
from tests.standins.alidns.standin import KEY, SECRET, StandIn


@pytest.mark.parametrize("action", list(ACTIONS))
def test_every_action_is_throttled_on_demand(standin: StandIn, signed: Signed, action: str) -> None:
    standin.administer("POST", "/faults", {"action": action, "times": 2, "code": "Throttling.User"})
    for _ in range(2):
        with pytest.raises(Refused, match="user flow control") as refused:
            signed.call(action)
        assert (refused.value.status, refused.value.code) == (400, "Throttling.User")
    assert standin.administer("GET", "/faults") == []
    try:
        signed.call(action)
    except Refused as refusal:
        assert refusal.code.startswith("Missing")


@pytest.mark.parametrize(
    ("code", "status"),
    [("ServiceUnavailable", 503), ("InternalError", 500), ("LastOperationNotFinished", 400)],
)
def test_other_ways_to_be_busy(standin: StandIn, client: Client, code: str, status: int) -> None:
    standin.administer("POST", "/faults", {"action": "*", "code": code})
    with pytest.raises(Refused) as refused:
        add(client)
    assert (refused.value.status, refused.value.code) == (status, code)
    add(client)


def test_an_answer_that_is_lost(standin: StandIn, signed: Signed) -> None:
    standin.administer("POST", "/faults", {"action": "AddDomainRecord", "drop": True})
    with pytest.raises(ConnectionError):
        add(signed)
    assert standin.administer("GET", "/calls")[-1]["code"] == "(dropped)"
    # It was done all the same: the second attempt finds it.
    with pytest.raises(Refused) as refused:
        add(signed)
    assert refused.value.code == "DomainRecordDuplicate"


def test_an_answer_that_is_late(standin: StandIn, signed: Signed) -> None:
    standin.administer("POST", "/faults", {"action": "AddDomainRecord", "delay": 1.0})
    started = time.monotonic()
    add(signed)
    assert time.monotonic() - started >= 1
    # Nobody else waits: the effect was there before the answer.
    assert standin.answers("www.example.test") == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"action": "AddDomian", "code": "Throttling.User"}, "no action"),
        ({"action": "*", "code": "Tired"}, "no such code"),
        ({"action": "*"}, "one of code, delay, drop"),
        ({"action": "*", "drop": True, "when": 1}, "unknown: when"),
    ],
)
def test_a_fault_that_would_never_happen_is_refused(standin: StandIn, found: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        standin.administer("POST", "/faults", found)


def test_calls_are_told(standin: StandIn, client: Client) -> None:
    add(client)
    with pytest.raises(Refused):
        add(client)
    found = [(call["action"], call["key"], call["code"]) for call in standin.administer("GET", "/calls")]
    assert found == [("AddDomainRecord", KEY, "OK"), ("AddDomainRecord", KEY, "DomainRecordDuplicate")]


@pytest.mark.parametrize("kill", [False, True])
def test_a_restart_keeps_everything(standin: StandIn, kill: bool) -> None:
    record = add(Signed(standin.endpoint, KEY, SECRET))
    before = standin.administer("GET", "/state")
    standin.stop(kill)
    standin.start()
    assert standin.administer("GET", "/state") == before
    assert standin.answers("www.example.test") == ["192.0.2.1"]
    assert Signed(standin.endpoint, KEY, SECRET).call("DescribeDomainRecordInfo", RecordId=record)["RR"] == "www"
