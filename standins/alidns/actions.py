"""The table of actions: each adds itself with its parameters, and the resource that its right is checked against."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from standins.alidns.errors import no_domain, no_record, others_domain
from standins.alidns.parameters import Parameters
from standins.alidns.store import Data, Domain, Key, Record


@dataclass
class Call:
    """One request, after signature and parameters; `servers` are the names of the stand-in's own name servers."""

    data: Data
    key: Key
    given: Parameters
    servers: list[str]

    def domain(self) -> Domain:
        """The one that DomainName names, which has to be the account's."""
        found = self.data.domains.get(self.given.text("DomainName").lower())
        if found is None:
            raise no_domain()
        if found.account != self.key.account:
            raise others_domain()
        return found

    def record(self) -> Record:
        found = self.data.records.get(self.given.text("RecordId"))
        if found is None or self.data.domains[found.domain].account != self.key.account:
            raise no_record()
        return found


Run = Callable[[Call], dict[str, Any]]
Resource = Callable[[Call], str | None]
"""The domain that a right is needed for; None: the right is for all resources."""


@dataclass
class Action:
    name: str
    parameters: list[str]
    resource: Resource
    changes: bool
    run: Run


ACTIONS: dict[str, Action] = {}


def action(parameters: Iterable[str], resource: Resource, changes: bool = False) -> Callable[[Run], Run]:
    """The function's name is the action's: add_domain_record is AddDomainRecord."""

    def add(run: Run) -> Run:
        name = "".join(word.capitalize() for word in run.__name__.split("_"))
        ACTIONS[name] = Action(name, list(parameters), resource, changes, run)
        return run

    return add


def named_domain(call: Call) -> str:
    """Of DomainName, whether there is such a domain or not."""
    return call.given.text("DomainName").lower()


def records_domain(call: Call) -> str:
    return call.record().domain


def everything(call: Call) -> None:
    return None
