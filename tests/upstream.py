"""A chat completions server that misbehaves as it is told: the only fake in the tests, a real HTTP server.

`FakeUpstream.answers` is a list of behaviours; each call takes the next, the last one stays. A behaviour is
`async (call) -> None`; the module's functions make the usual ones. `Call` keeps what was asked and when the
client's connection went away.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

#: A script a host could read out; passes a compliance review.
SCRIPT = (
    "姐妹们晚上好，欢迎来到直播间！今天跟大家好好聊聊我手上这一款。先看细节，做工很用心，摸起来也舒服。"
    "平时上班、周末出门都用得上，搭配起来特别省心。还在犹豫的姐妹，把问题打在公屏上，我一条一条来回答。"
    "喜欢的话点下方链接看看，合适再带走！"
)
USAGE = {"prompt_tokens": 321, "completion_tokens": 87, "total_tokens": 408}


@dataclass
class Call:
    """One request. `gone` is set when the client's connection is lost before the answer is complete;
    `gone_at` is then the loop's time. `completed` tells that the behaviour ran to its end.
    """

    request: web.Request
    body: dict[str, Any]
    started_at: float
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    gone_at: float = 0.0
    completed: bool = False
    response: web.StreamResponse | None = None
    peer: object = None  # the client's address: one for each connection

    async def head(self, content_type: str = "text/event-stream") -> web.StreamResponse:
        self.response = web.StreamResponse(headers={"Content-Type": content_type})
        await self.response.prepare(self.request)
        return self.response

    async def write(self, data: bytes) -> None:
        response = self.response or await self.head()
        await response.write(data)

    def cut(self) -> None:
        """Drop the connection without another word."""
        if self.request.transport is not None:
            self.request.transport.abort()


Behaviour = Callable[[Call], Awaitable[None]]


class FakeUpstream:
    """Serves `POST /v1/chat/completions` and `GET /v1/models` on a free port."""

    def __init__(self, *answers: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: speaks HTTPS, as `localhost`."""
        self.tls = tls
        self.answers: list[Behaviour] = list(answers) or [says(SCRIPT)]
        self.calls: list[Call] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/v1" if self.tls else f"http://127.0.0.1:{self.port}/v1"

    @property
    def connections(self) -> int:
        """Open client connections, idle ones included."""
        if self._runner is None or self._runner.server is None:
            return 0
        return len(self._runner.server.connections)

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        app.router.add_get("/v1/models", self._models)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port and every connection; `start` opens the same port again."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            for call in self.calls:
                if not call.completed:
                    call.cut()
            await runner.cleanup()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        body = await request.json()
        peer = None if request.transport is None else request.transport.get_extra_info("peername")
        call = Call(request, body, loop.time(), peer=peer)
        self.calls.append(call)
        behaviour = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            await behaviour(call)
            if call.response is not None:
                await call.response.write_eof()
            call.completed = True
        except (asyncio.CancelledError, ConnectionError):
            call.gone_at = loop.time()
            call.gone.set()
            raise
        return call.response or web.Response(status=500)

    async def _models(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})


def refused_url() -> str:
    """An address where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


def event(data: object) -> bytes:
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def chunk(text: str | None = None, finish: str | None = None, model: str = "fake") -> bytes:
    delta = {} if text is None else {"content": text}
    return event(
        {"id": "1", "model": model, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    )


def ending(finish: str = "stop", *, usage: bool = True) -> bytes:
    counted = event({"id": "1", "choices": [], "usage": USAGE}) if usage else b""
    return chunk(None, finish) + counted + b"data: [DONE]\n\n"


def pieces(text: str, size: int = 2) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def says(
    text: str = SCRIPT,
    *,
    finish: str = "stop",
    usage: bool = True,
    pace: float = 0.0,
    before: float = 0.0,
    model: str = "fake",
) -> Behaviour:
    """A well-behaved answer, two characters a chunk, `pace` seconds apart, the first after `before`."""

    async def behave(call: Call) -> None:
        await asyncio.sleep(before)
        await call.head()
        for piece in pieces(text):
            await call.write(chunk(piece, model=model))
            if pace:
                await asyncio.sleep(pace)
        await call.write(ending(finish, usage=usage))

    return behave


def fails(status: int, message: str = "broken", *, headers: Mapping[str, str] | None = None) -> Behaviour:
    """An HTTP status with an OpenAI error object."""

    async def behave(call: Call) -> None:
        response = web.json_response({"error": {"message": message}}, status=status, headers=headers)
        await response.prepare(call.request)
        call.response = response

    return behave


def hangs(after: str | None = None) -> Behaviour:
    """Never answers: before the headers, or after the text `after` ("": after the headers)."""

    async def behave(call: Call) -> None:
        if after is not None:
            await call.head()
            if after:
                await call.write(chunk(after))
        await asyncio.Event().wait()

    return behave


def writes(*blocks: bytes, pace: float = 0.0, content_type: str = "text/event-stream") -> Behaviour:
    """Exactly these bytes, each in its own write, then a clean end of the body."""

    async def behave(call: Call) -> None:
        await call.head(content_type)
        for block in blocks:
            await call.write(block)
            await asyncio.sleep(pace)

    return behave


def cuts(*blocks: bytes) -> Behaviour:
    """These bytes, then the connection breaks in the middle of the body."""

    async def behave(call: Call) -> None:
        for block in blocks:
            await call.write(block)
        await asyncio.sleep(0.01)
        call.cut()

    return behave


def drips(data: bytes, pace: float) -> Behaviour:
    """One byte a write, for as long as `data` lasts."""
    return writes(*(data[i : i + 1] for i in range(len(data))), pace=pace)


def endless(text: str = "这款真的不错，") -> Behaviour:
    """Never finishes."""

    async def behave(call: Call) -> None:
        while True:
            await call.write(chunk(text) * 50)
            await asyncio.sleep(0)

    return behave


@contextlib.asynccontextmanager
async def upstreams(*behaviours: Behaviour) -> AsyncIterator[list[FakeUpstream]]:
    """One server for each behaviour."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(FakeUpstream(behaviour)) for behaviour in behaviours]
