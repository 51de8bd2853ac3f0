"""One process for all tests, seeded anew for each; most tests run with both clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.standins.alidns.clients import Client, Official, Signed
from tests.standins.alidns.standin import ACCOUNT, KEY, SECRET, StandIn

CLIENTS: dict[str, Callable[[str, str, str], Client]] = {"signed": Signed, "official": Official}
Limited = Callable[..., Client]


@pytest.fixture(scope="session")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    found = StandIn(tmp_path_factory.mktemp("alidns"))
    found.start()
    yield found
    found.stop()


@pytest.fixture
def standin(process: StandIn) -> StandIn:
    process.seed()
    return process


@pytest.fixture(params=list(CLIENTS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(standin: StandIn, kind: str) -> Client:
    """With the account's own key, which may do everything."""
    return CLIENTS[kind](standin.endpoint, KEY, SECRET)


@pytest.fixture
def signed(standin: StandIn) -> Signed:
    return Signed(standin.endpoint, KEY, SECRET)


@pytest.fixture
def limited(standin: StandIn, kind: str) -> Limited:
    """A further key of the account's, with these statements as its policy."""

    def make(*statements: dict[str, Any]) -> Client:
        policy = {"Version": "1", "Statement": list(statements)}
        standin.administer("PUT", "/keys/LTAIlimited", {"account": ACCOUNT, "secret": "its-secret", "policy": policy})
        return CLIENTS[kind](standin.endpoint, "LTAIlimited", "its-secret")

    return make


def add(client: Client, rr: str = "www", value: str = "192.0.2.1", **given: Any) -> str:
    """An A record, unless another type is given; its id."""
    given = {"DomainName": "example.test", "RR": rr, "Type": "A", "Value": value, **given}
    return str(client.call("AddDomainRecord", **given)["RecordId"])
