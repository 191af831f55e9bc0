"""An OpenAI-compatible upstream that costs as little as it can, so that a benchmark measures the service.

It parses just enough HTTP/1.1 to know where a request ends and answers every chat completion with the same
script: 62 events of one or two characters, all in one write, or one event every `--pace-ms` milliseconds.
It prints its port on the first line and runs until it is terminated. It is not a model of a misbehaving
upstream: that is `tests/upstream.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
from typing import Any, Final, cast

SCRIPT: Final = (
    "姐妹们晚上好，欢迎来到直播间！今天跟大家好好聊聊我手上这一款。先看细节，做工很用心，摸起来也舒服。"
    "平时上班、周末出门都用得上，搭配起来特别省心。还在犹豫的姐妹，把问题打在公屏上，我一条一条来回答。"
    "喜欢的话点下方链接看看，合适再带走！"
)
CHUNKS: Final = 62
MODEL: Final = "bench"
PROMPT_TOKENS: Final = 400
COMPLETION_TOKENS: Final = 80


def chunks(text: str = SCRIPT, count: int = CHUNKS) -> list[str]:
    """Split `text` into `count` pieces whose lengths differ by at most one."""
    bounds = [len(text) * i // count for i in range(count + 1)]
    return [text[a:b] for a, b in itertools.pairwise(bounds)]


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
    }
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def _usage() -> dict[str, int]:
    return {
        "prompt_tokens": PROMPT_TOKENS,
        "completion_tokens": COMPLETION_TOKENS,
        "total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS,
    }


def _events() -> list[bytes]:
    usage: dict[str, Any] = {"id": "chatcmpl-bench", "model": MODEL, "choices": [], "usage": _usage()}
    return [
        *(_event({"content": piece}) for piece in chunks()),
        _event({}, "stop"),
        b"data: " + json.dumps(usage).encode() + b"\n\n" + b"data: [DONE]\n\n",
    ]


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _plain(body: object) -> bytes:
    data = json.dumps(body, ensure_ascii=False).encode()
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(data) + data
    )


_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_FRAMES: Final = [_framed(event) for event in _events()] + [b"0\r\n\r\n"]
_AT_ONCE: Final = _HEAD + b"".join(_FRAMES)
_UNARY: Final = _plain(
    {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "model": MODEL,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": SCRIPT}, "finish_reason": "stop"}
        ],
        "usage": _usage(),
    }
)
_MODELS: Final = _plain({"object": "list", "data": [{"id": MODEL, "object": "model"}]})


class _Connection(asyncio.Protocol):
    """One keep-alive connection; requests on it are answered one after the other."""

    def __init__(self, pace: float) -> None:
        self._pace = pace
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end]
            length = 0
            for line in head.split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if len(self._buffer) < end + 4 + length:
                return
            body, self._buffer = self._buffer[end + 4 : end + 4 + length], self._buffer[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if self._transport is None:
            return
        if head.startswith(b"GET"):
            self._transport.write(_MODELS)
        elif b'"stream":true' not in body.replace(b" ", b""):
            self._transport.write(_UNARY)
        elif self._pace:
            self._transport.write(_HEAD)
            self._write_from(0, asyncio.get_running_loop().time())
        else:
            self._transport.write(_AT_ONCE)

    def _write_from(self, index: int, start: float) -> None:
        """Each write is due at a fixed time, so pauses do not add up."""
        if self._transport is None:
            return
        last = len(_FRAMES) - 1
        if index >= last - 1:
            self._transport.write(_FRAMES[last - 1] + _FRAMES[last])
            return
        self._transport.write(_FRAMES[index])
        due = start + (index + 1) * self._pace
        self._timer = asyncio.get_running_loop().call_at(due, self._write_from, index + 1, start)


async def serve(host: str, port: int, pace: float) -> None:
    """Listen until cancelled; `pace` is in seconds, 0 for everything at once."""
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(pace), host, port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--pace-ms", type=float, default=0.0)
    args = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(args.host, args.port, args.pace_ms / 1000))


if __name__ == "__main__":
    main()
