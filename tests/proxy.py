"""A TCP proxy inside the test's event loop that cuts, delays, swallows, or loses replies.

`async with FaultProxy(host, port) as proxy:` listens on `proxy.port`. Faults act on open and new connections
alike; `heal()` ends them all. What a black hole swallowed is gone: its connections are cut by `heal`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

CHUNK = 65536


class FaultProxy:
    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self.connections = 0
        """How many were accepted so far."""
        self.held = 0
        """How many blocks were held back so far."""
        self.exchanges = 0
        """How many writes of a client were answered so far, each however many commands it held."""
        self.idle_talk: Sequence[bytes] = ()
        """What clients say of themselves; a write of nothing else is not counted."""
        self._upstream = (host, port)
        self._delay = 0.0
        self._refusing = False
        self._swallowing = False
        self._reply_bytes: int | None = None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Reset every open connection; new ones work."""
        for writer in list(self._writers):
            writer.transport.abort()

    def refuse(self) -> None:
        """Reset every open connection and every new one."""
        self._refusing = True
        self.cut()

    def black_hole(self) -> None:
        """Keep connections open and accept new ones, but forward nothing in either direction."""
        self._swallowing = True

    def delay(self, seconds: float) -> None:
        """Hold every block of bytes back for so long, in each direction."""
        self._delay = seconds

    def cut_after_reply_bytes(self, count: int) -> None:
        """Once: cut everything when the server has answered `count` more bytes; the rest is lost."""
        self._reply_bytes = count

    def heal(self) -> None:
        if self._swallowing:
            self.cut()
        self._refusing = self._swallowing = False
        self._delay = 0.0
        self._reply_bytes = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            if self._refusing:
                return
            replies, upstream = await asyncio.open_connection(*self._upstream)
            self._writers.add(upstream)
            unanswered = asyncio.Event()
            ends = {
                asyncio.create_task(self._pump(reader, upstream, unanswered, replies=False)),
                asyncio.create_task(self._pump(replies, writer, unanswered, replies=True)),
            }
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
        except OSError:
            return
        finally:
            for side in (writer, upstream):
                if side is not None:
                    self._writers.discard(side)
                    side.transport.abort()

    def _says_something(self, block: bytes) -> bool:
        for words in self.idle_talk:
            block = block.replace(words, b"")
        return bool(block)

    async def _pump(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        unanswered: asyncio.Event,
        *,
        replies: bool,
    ) -> None:
        with contextlib.suppress(OSError):
            while block := await source.read(CHUNK):
                if replies and unanswered.is_set():
                    self.exchanges += 1
                    unanswered.clear()
                elif not replies and self._says_something(block):
                    unanswered.set()
                if self._delay:
                    self.held += 1
                    await asyncio.sleep(self._delay)
                if self._swallowing:
                    continue
                if replies and self._reply_bytes is not None:
                    block, lost = block[: self._reply_bytes], block[self._reply_bytes :]
                    self._reply_bytes -= len(block)
                    sink.write(block)
                    if lost:
                        self._reply_bytes = None
                        self.cut()
                        return
                else:
                    sink.write(block)
                await sink.drain()
