"""The client of GitLab's runner API: HTTPS with the configured CA, JSON, and what its answers mean."""

from __future__ import annotations

import http.client
import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

from . import VERSION

_LONG_POLL = 75.0
"""Seconds: GitLab answers a request for jobs after 50 at the latest."""
CERTIFICATES = Path("/etc/gitlab-runner/certs")


@dataclass(frozen=True)
class Answer:
    """What the server said; status 0 where there was no server, `text` then says why."""

    status: int
    headers: Message
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body, or the part of it that fits a log."""
        return self.body.decode(errors="replace").strip()[:500]

    def json(self) -> Any:
        """The body as JSON; a ValueError if it is none."""
        return json.loads(self.body)


def certificate_file(url: str, configured: str) -> Path | None:
    """The CA that the server is verified with: `tls-ca-file`, or the one named after the host; None: the system's."""
    if configured:
        return Path(configured)
    by_host = CERTIFICATES / f"{urllib.parse.urlsplit(url).hostname}.crt"
    return by_host if by_host.exists() else None


class GitLab:
    """One server."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self._context = ssl.create_default_context()
        if ca_file:
            self._context.load_verify_locations(ca_file)

    def request_job(self, token: str, system_id: str, last_update: str, executor: str = "docker") -> Answer:
        """Ask for a job; waits as long as the server lets it."""
        body = {
            "token": token,
            "system_id": system_id,
            "last_update": last_update,
            "info": {**_info(), "executor": executor, "shell": "bash", "features": _FEATURES},
        }
        return self.call("POST", "/jobs/request", body, timeout=_LONG_POLL)

    def verify(self, token: str, system_id: str) -> Answer:
        """Ask whether the token is a runner's."""
        return self.call("POST", "/runners/verify", {"token": token, "system_id": system_id})

    def unregister(self, token: str) -> Answer:
        """Remove the runner that has this token."""
        return self.call("DELETE", "/runners", {"token": token})

    def append_trace(self, job: int, token: str, start: int, content: bytes) -> Answer:
        """Send a piece of a job's log that begins at byte `start`."""
        headers = {
            "JOB-TOKEN": token,
            "Content-Type": "text/plain",
            "Content-Range": f"{start}-{start + len(content) - 1}",
        }
        return self.call("PATCH", f"/jobs/{job}/trace", content, headers)

    def update_job(self, job: int, token: str, state: str, **more: Any) -> Answer:
        """Tell a job's state."""
        return self.call("PUT", f"/jobs/{job}", {"token": token, "state": state, "info": _info(), **more})

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | IO[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 60.0,
        into: IO[bytes] | None = None,
    ) -> Answer:
        """One request below /api/v4. Never raises: a server that cannot be reached is status 0.

        `into` takes the body of a good answer in place of the Answer.
        """
        data: Any = body
        sent = {
            "User-Agent": f"gitlab-runner {VERSION} (lab stand-in)",
            "Accept": "application/json",
            **(headers or {}),
        }
        if isinstance(body, Mapping):
            data = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self.url}/api/v4{path}", data=data, headers=sent, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout, context=self._context) as answer:
                if into is None:
                    return Answer(answer.status, answer.headers, answer.read())
                while piece := answer.read(1 << 20):
                    into.write(piece)
                return Answer(answer.status, answer.headers)
        except urllib.error.HTTPError as problem:
            with problem:
                return Answer(problem.code, problem.headers, problem.read())
        except (OSError, http.client.HTTPException) as problem:
            return Answer(0, Message(), f"{self.url}: {getattr(problem, 'reason', problem)}".encode())


_FEATURES = {
    "variables": True,
    "image": True,
    "services": True,
    "artifacts": True,
    "cache": True,
    "upload_multiple_artifacts": True,
    "upload_raw_artifacts": True,
    "refspecs": True,
    "masking": True,
    "raw_variables": True,
    "multi_build_steps": True,
    "return_exit_code": True,
    "artifacts_exclude": True,
    "cache_fallback_keys": True,
    "trace_checksum": True,
    "trace_size": True,
}


def _info() -> dict[str, str]:
    return {
        "name": "gitlab-runner",
        "version": VERSION,
        "revision": "standin",
        "platform": "linux",
        "architecture": "amd64",
    }
