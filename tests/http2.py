"""A bare HTTP/2 client over plaintext: sends the frames a test wants and keeps what comes back. gRPC's own
client is too polite to flood, to stay silent or to stop reading.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
ACK, END_STREAM, END_HEADERS = 1, 1, 4
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_HEADER_LIST_SIZE = 3, 4, 6

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


class Http2:
    """One connection. `settings` and `goaway` are what the server said, `frames` counts what came by kind."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.settings: dict[int, int] = {}
        self.goaway: bytes | None = None
        self.frames: dict[int, int] = {}
        self.next_stream = 1

    async def send(self, kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0) -> None:
        head = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big")
        self._writer.write(head + payload)
        await self._writer.drain()

    async def call(self, path: str, message: bytes, authority: str = "localhost") -> int:
        """Send a whole request; the stream's number."""
        stream = await self.headers(path, authority)
        framed = b"\x00" + len(message).to_bytes(4, "big") + message
        await self.send(DATA, framed, flags=END_STREAM, stream=stream)
        return stream

    async def headers(self, path: str, authority: str = "localhost") -> int:
        """Open a gRPC call without sending its message; the stream's number."""
        stream, self.next_stream = self.next_stream, self.next_stream + 2
        headers = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": authority,
            "te": "trailers",
            "content-type": "application/grpc",
        }
        block = b"".join(_literal(name, value) for name, value in headers.items())
        await self.send(HEADERS, block, flags=END_HEADERS, stream=stream)
        return stream

    async def read_until(self, kind: int, seconds: float = 5.0) -> bool:
        """Read frames until one of `kind` has come; False when the connection ended before."""
        try:
            async with asyncio.timeout(seconds):
                while await self._frame() != kind:
                    pass
        except (asyncio.IncompleteReadError, ConnectionError):
            return False
        return True

    def vanish(self) -> None:
        """End the connection with a reset, as a client does whose process dies."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _frame(self) -> int:
        head = await self._reader.readexactly(9)
        payload = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags = head[3], head[4]
        self.frames[kind] = self.frames.get(kind, 0) + 1
        if kind == SETTINGS and not flags & ACK:
            for at in range(0, len(payload), 6):
                name, value = payload[at : at + 2], payload[at + 2 : at + 6]
                self.settings[int.from_bytes(name, "big")] = int.from_bytes(value, "big")
            await self.send(SETTINGS, flags=ACK)
        elif kind == GOAWAY:
            self.goaway = payload[8:]
        return kind


def _literal(name: str, value: str) -> bytes:
    """A header field that is not indexed, names and values under 127 bytes (RFC 7541, 6.2.2)."""
    return b"\x00" + bytes((len(name),)) + name.encode() + bytes((len(value),)) + value.encode()


@asynccontextmanager
async def connected(port: int, **settings: int) -> AsyncIterator[Http2]:
    """After both sides' settings; `settings` by their lower-case names in this module."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        client = Http2(reader, writer)
        writer.write(_PREFACE)
        numbers = {name: globals()[name.upper()] for name in settings}
        payload = b"".join(
            number.to_bytes(2, "big") + settings[name].to_bytes(4, "big") for name, number in numbers.items()
        )
        await client.send(SETTINGS, payload)
        await client.read_until(SETTINGS)
        yield client
    finally:
        writer.close()
