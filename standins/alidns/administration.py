"""What tests and the lab do beside the API, on a port of its own and without a key: seed, look, make things go wrong.

GET,PUT /state · PUT,DELETE /keys/<id> · PUT,DELETE /domains/<name> · PUT /registrations/<name> ·
GET,POST,DELETE /faults · PUT /publishing · GET /zones/<name> · GET,DELETE /calls. README.md has the bodies.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict
from http.server import ThreadingHTTPServer
from typing import Any

from standins.alidns import faults, rights
from standins.alidns.actions import ACTIONS
from standins.alidns.api import Api
from standins.alidns.authority import Authority
from standins.alidns.store import EDITIONS, Domain, Key, now
from standins.alidns.web import Handler


class _Wrong(Exception):
    """A request that cannot be done: the status and a sentence."""


class Administration:
    def __init__(self, api: Api, authority: Authority) -> None:
        self._api = api
        self._authority = authority

    def run(self, method: str, path: str, found: Any) -> Any:
        kind, _, name = path.strip("/").partition("/")
        run = getattr(self, f"{method.lower()}_{kind}", None)
        if run is None:
            raise _Wrong(404, f"there is no {method} /{kind}")
        try:
            return run(name, found)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise _Wrong(400, f"{type(error).__name__}: {error}") from error

    def get_state(self, *_: Any) -> Any:
        with self._api.store.reading() as data:
            return asdict(data)

    def put_state(self, _: str, found: dict[str, Any]) -> None:
        self._api.store.replace(found)

    def put_keys(self, name: str, found: dict[str, Any]) -> None:
        key = Key(**found)
        if key.policy is not None and (problem := rights.problem(key.policy)):
            raise _Wrong(400, problem)
        with self._api.store.writing() as data:
            data.keys[name] = key

    def delete_keys(self, name: str, _: Any) -> None:
        with self._api.store.writing() as data:
            del data.keys[name]

    def put_domains(self, name: str, found: dict[str, Any]) -> None:
        """A domain of an account's, registered and delegated here, as one that was there before."""
        if found.get("edition", "mianfei") not in EDITIONS:
            raise _Wrong(400, f"no such edition; there are {', '.join(EDITIONS)}")
        with self._api.store.writing() as data:
            domain = Domain(**{"name": name, "id": str(uuid.UUID(int=data.number())), "created": now(), **found})
            data.domains[name] = domain
            data.registrations.setdefault(name, list(self._api.servers))

    def delete_domains(self, name: str, _: Any) -> None:
        with self._api.store.writing() as data:
            del data.domains[name]
            for record in data.of(name):
                del data.records[record.id]

    def put_registrations(self, name: str, found: list[str]) -> None:
        with self._api.store.writing() as data:
            data.registrations[name] = [str(server) for server in found]

    def get_faults(self, *_: Any) -> Any:
        return self._api.faults.shown()

    def post_faults(self, _: str, found: dict[str, Any]) -> None:
        if problem := faults.problem(found, lambda action: action in ACTIONS):
            raise _Wrong(400, problem)
        self._api.faults.add(faults.Fault(**found))

    def delete_faults(self, *_: Any) -> None:
        self._api.faults.clear()

    def put_publishing(self, _: str, found: dict[str, Any]) -> None:
        """{"delay": seconds}, or {"delay": null}: nothing new is answered until there is a number again."""
        delay = found["delay"]
        self._authority.delay = None if delay is None else float(delay)
        if delay is not None:
            with self._api.store.reading() as data:
                self._authority.changed(data)

    def get_zones(self, name: str, _: Any) -> str:
        zone = self._authority.zone(name)
        if zone is None:
            raise _Wrong(404, f"no zone {name} is published")
        return zone.text()

    def get_calls(self, *_: Any) -> Any:
        return list(self._api.calls)

    def delete_calls(self, *_: Any) -> None:
        self._api.calls.clear()


class _AdministrationHandler(Handler):
    server: AdministrationServer

    def do_GET(self) -> None:
        try:
            body = self.body()
            found = self.server.administration.run(self.command, self.path, json.loads(body) if body else None)
        except json.JSONDecodeError as error:
            self.send(400, {"error": str(error)})
        except _Wrong as wrong:
            self.send(wrong.args[0], {"error": wrong.args[1]})
        else:
            self.send(200, found, *(["text/dns"] if isinstance(found, str) else []))

    do_PUT = do_POST = do_DELETE = do_GET


class AdministrationServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], administration: Administration) -> None:
        self.administration = administration
        super().__init__(address, _AdministrationHandler)
