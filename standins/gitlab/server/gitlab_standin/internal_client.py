"""Asking the internal API over its socket. Needs nothing but the standard library: hooks have to be quick."""

from __future__ import annotations

import http.client
import json
import socket as sockets
from pathlib import Path
from typing import Any

SECRET_HEADER = "Gitlab-Shell-Secret"


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = sockets.socket(sockets.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask_text(socket: Path, secret: Path, what: str, asked: dict[str, Any]) -> str:
    """The answer as it is. Raises ConnectionError when GitLab is not running or refuses."""
    connection = _Connection(socket)
    headers = {SECRET_HEADER: secret.read_text().strip(), "Content-Type": "application/json"}
    try:
        connection.request("POST", f"/api/v4/internal/{what}", json.dumps(asked), headers)
        answer = connection.getresponse()
        body = answer.read().decode()
    finally:
        connection.close()
    if answer.status != 200:
        raise ConnectionError(f"GitLab's internal API answered {answer.status}: {body}")
    return body


def ask(socket: Path, secret: Path, what: str, asked: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask_text(socket, secret, what, asked))
    return found
