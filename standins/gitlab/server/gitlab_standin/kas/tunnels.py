"""The connections that agents hold open, and the way of a request through one of them.

An agent keeps some connections that wait, and makes another when one is taken; the server is the client on them. A
connection carries one request at a time, and waits again when that has been answered to its end.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

import h11
from starlette.types import Receive, Send

MOST_WAITING = 8
"""What waits beyond this is closed; agents themselves close none, so that none is taken that is just being closed."""


class TunnelClosed(ConnectionError):
    """The agent, or its connection, is gone."""


class Tunnel:
    """One connection of an agent's, a WebSocket of the server's."""

    def __init__(self, agent_id: int, token_id: int, receive: Receive, send: Send) -> None:
        self.agent_id, self.token_id = agent_id, token_id
        self._receive, self._send = receive, send
        # One piece at a time: who is slow to read slows the agent down, not this process' memory.
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(1)
        self._ended = asyncio.Event()
        self.http = h11.Connection(h11.CLIENT)

    @property
    def open(self) -> bool:
        return not self._ended.is_set()

    async def listen(self) -> None:
        """Take what comes in, until the connection ends."""
        reading = asyncio.create_task(self._take())
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({reading, ended}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ended.set()
            reading.cancel()
            ended.cancel()

    async def _take(self) -> None:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            await self._pieces.put(message.get("bytes") or b"")

    def close(self) -> None:
        """End it; whoever reads from it is told."""
        self._ended.set()

    async def read(self) -> bytes:
        """The next piece. Raises TunnelClosed."""
        if not self._pieces.empty():
            return self._pieces.get_nowait()
        piece = asyncio.create_task(self._pieces.get())
        ended = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({piece, ended}, return_when=asyncio.FIRST_COMPLETED)
            if piece.done():
                return piece.result()
        finally:
            piece.cancel()
            ended.cancel()
        raise TunnelClosed("the agent's connection has ended")

    async def write(self, data: bytes) -> None:
        if not self.open:
            raise TunnelClosed("the agent's connection has ended")
        await self._send({"type": "websocket.send", "bytes": data})


class Pool:
    """The connections that wait, by agent."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[Tunnel]] = defaultdict(list)
        self._changed = asyncio.Condition()

    async def offer(self, tunnel: Tunnel) -> None:
        """Have a connection wait for a request."""
        async with self._changed:
            waiting = self._waiting[tunnel.agent_id]
            if len(waiting) >= MOST_WAITING:
                tunnel.close()
                return
            waiting.append(tunnel)
            self._changed.notify_all()

    async def take(self, agent_id: int, seconds: float) -> Tunnel | None:
        """A connection of the agent's; nothing when none has come for so long."""

        def waits() -> bool:
            self._waiting[agent_id] = [tunnel for tunnel in self._waiting[agent_id] if tunnel.open]
            return bool(self._waiting[agent_id])

        async with self._changed:
            try:
                await asyncio.wait_for(self._changed.wait_for(waits), seconds)
            except TimeoutError:
                return None
            # The one that was used last is the least likely to be dead without anyone's knowing.
            return self._waiting[agent_id].pop()

    def forget(self, tunnel: Tunnel) -> None:
        """A connection has ended."""
        if tunnel in self._waiting[tunnel.agent_id]:
            self._waiting[tunnel.agent_id].remove(tunnel)
