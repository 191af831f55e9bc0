"""A TCP proxy in front of a server: counts round trips and loses replies on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Proxy:
    """`round_trips` counts how often a client sent something after it had been answered.

    `lose_replies` is how many of the next answers are thrown away, with the connection they came on.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self.port = 0
        self.round_trips = 0
        self.lose_replies = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        waiting = False

        async def requests() -> None:
            nonlocal waiting
            while data := await reader.read(1 << 20):
                self.round_trips += not waiting
                waiting = True
                upstream_writer.write(data)

        async def replies() -> None:
            nonlocal waiting
            while data := await upstream_reader.read(1 << 20):
                if self.lose_replies:
                    self.lose_replies -= 1
                    return
                waiting = False
                writer.write(data)

        pumps = [asyncio.create_task(requests()), asyncio.create_task(replies())]
        self._tasks.update(pumps)
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            self._tasks.difference_update(pumps)
            writer.close()
            upstream_writer.close()

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()


@contextlib.asynccontextmanager
async def proxy_to(upstream_port: int) -> AsyncIterator[Proxy]:
    proxy = Proxy(upstream_port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
        await asyncio.sleep(0)
