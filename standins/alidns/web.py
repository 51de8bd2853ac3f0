"""The API by HTTP or HTTPS: turns what came over the wire into a request, and its answer into bytes."""

from __future__ import annotations

import json
import ssl
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from standins.alidns.api import Api
from standins.alidns.signatures import Request


class Handler(BaseHTTPRequestHandler):
    """What API and administration share: bodies, JSON, no log on standard error."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    # Head and body leave together: apart, the second waits for the other side to acknowledge the first (40 ms).
    wbufsize = -1

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def send(self, status: int, found: Any, kind: str = "application/json;charset=utf-8") -> None:
        wire = found.encode() if isinstance(found, str) else json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(wire)))
        self.end_headers()
        self.wfile.write(wire)

    def log_message(self, *_: Any) -> None:
        """The calls are kept for the administrative interface."""


class _ApiHandler(Handler):
    server: ApiServer

    def do_POST(self) -> None:
        parts = urlsplit(self.path)
        body = self.body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(parse_qsl(body.decode(), keep_blank_values=True)) if form else {},
            headers,
            body,
        )
        answer = self.server.api.answer(request)
        if answer.body is None:
            self.close_connection = True
            self.connection.close()
        else:
            self.send(answer.status, answer.body)

    do_GET = do_POST


class ApiServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], api: Api, certificate: Path | None, key: Path | None) -> None:
        self.api = api
        super().__init__(address, _ApiHandler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            # The handshake is the thread's, not the listener's: a client that never says anything blocks nobody else.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
