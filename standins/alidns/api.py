"""One request to the API, from its signature to its answer: the order in which upstream's gateway and service refuse.

Signature, then the action, then throttling, then parameters, rights, and what the action itself finds.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

from standins.alidns import domains, records, rights
from standins.alidns.actions import ACTIONS as ACTIONS
from standins.alidns.actions import Call
from standins.alidns.errors import ApiError, busy, unsupported
from standins.alidns.faults import Faults
from standins.alidns.parameters import Parameters
from standins.alidns.signatures import Request, Signatures
from standins.alidns.store import Store

# Each of these adds its actions.
assert domains and records

_VERSION = "2015-01-09"


@dataclass
class Answer:
    """`body` is None where the connection is to be closed without one."""

    status: int
    body: dict[str, Any] | None


class Api:
    def __init__(self, store: Store, servers: list[str]) -> None:
        self.store = store
        self.servers = servers
        self.faults = Faults()
        self.calls: deque[dict[str, str]] = deque(maxlen=1000)
        """What was asked and how it ended, the oldest first."""
        self._signatures = Signatures()

    def answer(self, request: Request) -> Answer:
        request_id = str(uuid.uuid4()).upper()
        entry = {"action": request.action, "key": "", "code": "OK", "id": request_id}
        try:
            return Answer(200, {"RequestId": request_id, **self._run(request, entry)})
        except ApiError as error:
            entry["code"] = error.code
            host = request.headers.get("host", "")
            return Answer(error.status, error.body(request_id, host))
        except _Dropped:
            entry["code"] = "(dropped)"
            return Answer(0, None)
        finally:
            self.calls.append(entry)

    def _run(self, request: Request, entry: dict[str, str]) -> dict[str, Any]:
        with self.store.reading() as data:
            entry["key"], key = self._signatures.check(request, data.keys)
        action = ACTIONS.get(request.action)
        if action is None:
            raise unsupported(request.action)
        if request.version != _VERSION:
            raise unsupported(action.name, f"the version {request.version or '(none)'}")
        if request.parameters.get("Format", "JSON").upper() != "JSON":
            raise unsupported(action.name, f"the format {request.parameters['Format']}")
        fault = self.faults.take(action.name)
        if fault and fault.code:
            raise busy(fault.code)
        given = Parameters(action.name, request.parameters, action.parameters)
        with self.store.writing() if action.changes else self.store.reading() as data:
            call = Call(data, key, given, self.servers)
            rights.check(key, action.name, action.resource(call))
            found = action.run(call)
        if fault and fault.drop:
            raise _Dropped
        if fault:
            time.sleep(fault.delay)
        return found


class _Dropped(Exception):
    """Done, and not to be answered."""
