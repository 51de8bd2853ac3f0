"""The stand-in as a process of its own, on ports that the system gives, and its administrative interface."""

from __future__ import annotations

import json
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dns.message
import dns.query

from lab import paths

SERVERS = ["ns1.alidns.test", "ns2.alidns.test"]
ACCOUNT, OTHER = "1000000000000001", "1000000000000002"
KEY, SECRET = "LTAIowner", "secret-of-the-owner"


def add_record(state: dict[str, Any], domain: str, name: str, value: str, **more: object) -> None:
    """One more record in what `GET /state` tells, as somebody has made it; `PUT /state` takes that."""
    state["count"] += 1
    number = str(state["count"])
    what = {"domain": domain, "rr": name, "type": "A", "value": value, "ttl": 600, "line": "default", "priority": None}
    state["records"][number] = {"id": number, "created": 0, "updated": 0} | what | more


class StandIn:
    def __init__(self, directory: Path, certificate: Path | None = None) -> None:
        """`certificate` has its key with it, in one file; without one the interface speaks HTTP."""
        self._data = directory / "alidns.json"
        self._secured = ["--certificate", str(certificate)] if certificate else []
        self._process: subprocess.Popen[str] | None = None
        self.ports: dict[str, int] = {}

    def start(self) -> None:
        # The same ports again after a restart: clients keep their endpoint.
        ports = [f"127.0.0.1:{self.ports.get(name, 0)}" for name in ("api", "administration", "dns")]
        words = ["--data", str(self._data), "--api", ports[0], "--administration", ports[1], "--dns", ports[2]]
        names = ["--name-server", f"{SERVERS[0]}=192.0.2.53", "--name-server", SERVERS[1]]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "standins.alidns", *words, *names, *self._secured],
            cwd=paths.REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.ports = json.loads(self._process.stdout.readline())

    def stop(self, kill: bool = False) -> None:
        assert self._process is not None and self._process.stdout is not None
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        status = self._process.wait(10)
        self._process.stdout.close()
        assert kill or status == 0

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.ports['api']}"

    def administer(self, method: str, path: str, found: Any = None) -> Any:
        connection = HTTPConnection("127.0.0.1", self.ports["administration"], timeout=10)
        try:
            connection.request(method, path, json.dumps(found) if found is not None else None)
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{answer.status}: {body}")
        return json.loads(body) if answer.headers["Content-Type"].startswith("application/json") else body

    def seed(self) -> None:
        """One account with a free zone, another with one of its own, no faults."""
        self.administer("DELETE", "/faults")
        self.administer("PUT", "/state", {"registrations": {"new.test": SERVERS}})
        self.administer("PUT", "/publishing", {"delay": 0})
        self.administer("PUT", f"/keys/{KEY}", {"account": ACCOUNT, "secret": SECRET})
        self.administer("PUT", "/domains/example.test", {"account": ACCOUNT})
        self.administer("PUT", "/domains/theirs.test", {"account": OTHER})
        self.administer("DELETE", "/calls")

    def ask(self, name: str, kind: str = "A", tcp: bool = False, payload: int = 1232) -> dns.message.Message:
        query = dns.message.make_query(name, kind, use_edns=0, payload=payload)
        send = dns.query.tcp if tcp else dns.query.udp
        return send(query, "127.0.0.1", timeout=5, port=self.ports["dns"])

    def answers(self, name: str, kind: str = "A") -> list[str]:
        return sorted(str(data) for found in self.ask(name, kind).answer for data in found)
