"""What answers below /-/kubernetes-agent/: agents that connect, and jobs that ask the cluster's API through them."""

from __future__ import annotations

import asyncio
import contextlib
import json

import h11
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from gitlab_standin import clock
from gitlab_standin.errors import ApiError, unauthorized
from gitlab_standin.kas import access
from gitlab_standin.kas.kubeconfig import PROXY_PATH
from gitlab_standin.kas.tunnels import Pool, Tunnel, TunnelClosed
from gitlab_standin.site import Site

PATH = "/-/kubernetes-agent/"
# What is about the way to this server, and the job's own credentials.
_KEPT_BACK = {
    b"authorization",
    b"connection",
    b"host",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"upgrade",
    b"expect",
}

# What this server says itself: about its own connection, and whether it cuts the answer into chunks.
_NOT_PASSED_ON = {b"connection", b"date", b"keep-alive", b"transfer-encoding"}


async def absent(scope: Scope, receive: Receive, send: Send) -> int:
    """What is there where the installation has no KAS."""
    if scope["type"] == "websocket":
        await _reject(receive, send, ApiError(404, {"message": "404 Not found"}))
        return 404
    return await _refuse(send, 404, "NotFound", "this GitLab has none (gitlab_kas['enable'])")


class Kas:
    """The agents of one installation. Must be made and used in one event loop."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._pool = Pool()
        self._jobs = access.Jobs(site)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answer a request or a WebSocket; returns its status, for the log."""
        if scope["type"] == "websocket":
            return await self._connect(scope, receive, send)
        if scope["path"].startswith(PROXY_PATH):
            return await self._forward(scope, receive, send)
        return await _refuse(send, 404, "NotFound", "nothing is served here but agents and k8s-proxy/")

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> int:
        """An agent's connection, until it ends."""
        try:
            if scope["path"] != PATH:
                raise ApiError(404, {"message": "404 Not found"})
            token = await run_in_threadpool(access.authorize_agent, self._site, _bearer(scope))
        except ApiError as error:
            await _reject(receive, send, error)
            return error.status
        await receive()
        await send({"type": "websocket.accept"})
        tunnel = Tunnel(token["agent_id"], token["id"], receive, send)
        await self._pool.offer(tunnel)
        try:
            await tunnel.listen()
        finally:
            self._pool.forget(tunnel)
            with contextlib.suppress(Exception):
                await send({"type": "websocket.close", "code": 1000})
        return 101

    async def _forward(self, scope: Scope, receive: Receive, send: Send) -> int:
        """A job's request: to the cluster, and the answer back."""
        try:
            agent_id = await run_in_threadpool(self._jobs.authorize, _bearer(scope))
        except ApiError as error:
            reason = {401: "Unauthorized", 403: "Forbidden"}[error.status]
            return await _refuse(send, error.status, reason, error.body["message"])
        except access.AgentConfigurationError as error:
            return await _refuse(send, 403, "Forbidden", str(error))
        if any(name == b"upgrade" for name, _ in scope["headers"]):
            return await _refuse(send, 501, "NotImplemented", "the lab's GitLab lets no connection be taken over")
        tunnel = await self._tunnel(agent_id)
        if tunnel is None:
            return await _refuse(send, 503, "ServiceUnavailable", f"agent {agent_id} is not connected to this GitLab")
        return await _Exchange(tunnel, self._pool).run(scope, receive, send)

    async def _tunnel(self, agent_id: int) -> Tunnel | None:
        """A connection of the agent's whose token is still one."""
        deadline = asyncio.get_running_loop().time() + self._site.settings.agent_seconds
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            tunnel = await self._pool.take(agent_id, left)
            if tunnel is None or await run_in_threadpool(access.is_active, self._site, tunnel.token_id):
                return tunnel
            tunnel.close()
        return None


class _Exchange:
    """One request and its answer on a tunnel."""

    def __init__(self, tunnel: Tunnel, pool: Pool) -> None:
        self._tunnel, self._pool = tunnel, pool
        self._status = 0

    async def run(self, scope: Scope, receive: Receive, send: Send) -> int:
        asking = asyncio.create_task(self._ask(scope, receive))
        answering = asyncio.create_task(self._answer(send))
        try:
            done, _ = await asyncio.wait({asking, answering}, return_when=asyncio.FIRST_COMPLETED)
            # Asking goes on to the end of the client: it ends first only where that, or the tunnel, is gone.
            for task in done:
                task.result()
        except (TunnelClosed, h11.ProtocolError) as error:
            print(f"{clock.now()} agent {self._tunnel.agent_id}: {error!r}", flush=True)
            if not self._status:
                return await _refuse(send, 502, "BadGateway", f"the agent's connection broke: {error}")
        finally:
            asking.cancel()
            answering.cancel()
            await asyncio.gather(asking, answering, return_exceptions=True)
            await self._give_back()
        return self._status

    async def _ask(self, scope: Scope, receive: Receive) -> None:
        path = scope["raw_path"].removeprefix(PROXY_PATH.rstrip("/").encode())
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        headers = [(name, value) for name, value in scope["headers"] if name not in _KEPT_BACK]
        request = h11.Request(
            method=scope["method"], target=path + query, headers=[(b"host", b"kubernetes.default.svc"), *headers]
        )
        await self._send(request)
        while (message := await receive())["type"] == "http.request":
            if message.get("body"):
                await self._send(h11.Data(data=message["body"]))
            if not message.get("more_body"):
                await self._send(h11.EndOfMessage())

    async def _send(self, event: h11.Event) -> None:
        data = self._tunnel.http.send(event)
        if data:
            await self._tunnel.write(data)

    async def _answer(self, send: Send) -> None:
        while True:
            event = self._tunnel.http.next_event()
            if event is h11.NEED_DATA:
                self._tunnel.http.receive_data(await self._tunnel.read())
            elif isinstance(event, h11.Response):
                self._status = event.status_code
                headers = [(name, value) for name, value in event.headers if name not in _NOT_PASSED_ON]
                await send({"type": "http.response.start", "status": event.status_code, "headers": headers})
            elif isinstance(event, h11.Data):
                await send({"type": "http.response.body", "body": bytes(event.data), "more_body": True})
            elif isinstance(event, h11.EndOfMessage):
                await send({"type": "http.response.body", "body": b""})
                return
            elif not isinstance(event, h11.InformationalResponse):
                raise TunnelClosed(f"unexpected {event!r}")

    async def _give_back(self) -> None:
        """Have the connection wait again, if both sides have said all of what they had to."""
        http = self._tunnel.http
        if self._tunnel.open and http.our_state is h11.DONE and http.their_state is h11.DONE:
            http.start_next_cycle()
            await self._pool.offer(self._tunnel)
        else:
            self._tunnel.close()


async def _reject(receive: Receive, send: Send, error: ApiError) -> None:
    """Answer a WebSocket that is not accepted."""
    await receive()
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": []})
    await send({"type": "websocket.http.response.body", "body": json.dumps(error.body).encode()})


def _bearer(scope: Scope) -> str:
    """The credential of a request. Raises 401."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, credential = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and credential:
                return str(credential)
    raise unauthorized()


async def _refuse(send: Send, status: int, reason: str, message: str) -> int:
    """An answer in the API's own form, which kubectl shows."""
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": status}
    text = json.dumps({**body, "message": f"GitLab Agent Server: {message}"}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(text)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
    return status
