"""Turns the bytes of a streamed chat completion into text, finish reason and usage.

`EventFramer` is the framing of the WHATWG HTML standard, section 9.2.6 "Interpreting an event stream", on
bytes: an event is only decoded when it is whole, so UTF-8 may be split anywhere. `ChatStream` reads the
events as OpenAI chat completion chunks. Neither knows about sockets or time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from scriptgen.domain.generation import Usage

from .errors import MalformedStreamError, UpstreamReportedError

_BOM: Final = b"\xef\xbb\xbf"
_DONE: Final = b"[DONE]"


class EventFramer:
    """Incremental framing of one stream. Only the `data` field is kept: the protocol uses no other."""

    def __init__(self, max_event_bytes: int = 256 * 1024) -> None:
        self._max = max_event_bytes
        self._rest = bytearray()  # a line that has not ended yet
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._size = 0  # bytes in both
        self._after_cr = False
        self._begun = False

    def feed(self, block: bytes) -> list[bytes]:
        """Return the data of every event that `block` completes. An unfinished event at the end of the
        stream is dropped, as the standard says. Raises MalformedStreamError when one grows too large.
        """
        whole = self._only_whole_events(block)
        if whole is not None:
            return whole
        events = []
        data = self._data
        for line in self._lines(block):
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                self._size += len(line)
                self._check(self._size)
            elif not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
                self._size = 0
            elif line == b"data":
                data.append(b"")
        self._check(self._size + len(self._rest))
        return events

    def _only_whole_events(self, block: bytes) -> list[bytes] | None:
        """The events of a block of nothing else, each one `data: ` line, as servers mostly send them; None
        for any other block. Splits at once what would be three turns of a loop for each event.
        """
        if self._rest or self._data or not (block.startswith(b"data: ") and block.endswith(b"\n\n")):
            return None
        events = block[6:-2].split(b"\n\ndata: ")
        if block.count(b"\n") != 2 * len(events) or b"\r" in block:
            return None
        self._begun = True
        self._after_cr = False
        if len(block) > self._max:
            self._check(max(map(len, events)) + 6)
        return events

    def _lines(self, block: bytes) -> list[bytes]:
        """Lines that `block` completes; they end in CRLF, LF or CR, which may itself be split."""
        if self._after_cr and block.startswith(b"\n"):
            block = block[1:]  # the second half of a CRLF whose first half came before
        if block:
            self._after_cr = block.endswith(b"\r")
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._rest += block
        if not self._begun and (len(self._rest) >= len(_BOM) or b"\n" in block):
            self._begun = True
            self._rest = self._rest.removeprefix(_BOM)
        if b"\n" not in block:
            return []
        lines = bytes(self._rest).split(b"\n")
        self._rest = bytearray(lines.pop())
        return lines

    def _check(self, size: int) -> None:
        if size > self._max:
            raise MalformedStreamError(f"an event is larger than {self._max} bytes")


class _Delta(msgspec.Struct, gc=False):
    """A model's thinking has a field of its own: one name at vLLM and llama.cpp, the other at Ollama. What it
    holds is not looked into.
    """

    content: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Error(msgspec.Struct):
    message: str | None = None


class _Chunk(msgspec.Struct, gc=False):
    """The fields we use of a chunk. Anything else is skipped unread."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: _Error | str | None = None
    model: str | None = None
    object: str | None = None
    message: str | None = None  # vLLM's older errors: {"object": "error", "message": ...}


class ChatStream:
    """What one streamed chat completion has said so far.

    `finish_reason` is "" until the upstream gave one, `usage` is None until it did; `done` tells that
    nothing more will come. `chunks` counts decoded chunks: it moves when the upstream makes progress, also
    when a chunk has no text. `thinking` tells that the last one had a thought in its place.
    """

    def __init__(self, max_event_bytes: int = 256 * 1024) -> None:
        self._framer = EventFramer(max_event_bytes)
        self.finish_reason = ""
        self.usage: Usage | None = None
        self.model = ""
        self.chunks = 0
        self.thinking = False
        self.done = False

    def feed(self, block: bytes) -> str:
        """Return all new text in `block`, "" when there is none.

        Raises MalformedStreamError (broken JSON, wrong shapes, text after the end) and
        UpstreamReportedError (an error object in place of a chunk).
        """
        pieces = []
        events = self._events(block)
        for chunk in _decode(events):
            if chunk.error is not None or chunk.object == "error":
                raise UpstreamReportedError(_message(chunk))
            if chunk.usage is not None:
                self.usage = Usage(chunk.usage.prompt_tokens or 0, chunk.usage.completion_tokens or 0)
            if chunk.model and not self.model:
                self.model = chunk.model
            if not chunk.choices:
                continue
            choice = chunk.choices[0]
            delta = choice.delta
            if delta is not None and delta.content:
                if self.finish_reason:
                    raise MalformedStreamError("text after the finish_reason")
                pieces.append(delta.content)
            self.thinking = delta is not None and bool(delta.reasoning_content or delta.reasoning)
            if choice.finish_reason:
                self.finish_reason = choice.finish_reason
        self.chunks += len(events)
        return "".join(pieces)

    def _events(self, block: bytes) -> list[bytes]:
        """Those of `block` up to the one that says there are no more."""
        if self.done:
            return []
        events = self._framer.feed(block)
        if _DONE in events:
            del events[events.index(_DONE) :]
            self.done = True
        return events


_decoder: Final = msgspec.json.Decoder(_Chunk)


def _decode(events: list[bytes]) -> Iterable[_Chunk]:
    """All events of one read in one go; where one is broken, one by one up to it."""
    try:
        chunks = _decoder.decode_lines(b"\n".join(events))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return map(_decoded, events)
    return chunks if len(chunks) == len(events) else map(_decoded, events)


def _decoded(event: bytes) -> _Chunk:
    try:
        return _decoder.decode(event)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedStreamError(f"a chunk is not a chat completion chunk: {error}") from None


def _message(chunk: _Chunk) -> str:
    if isinstance(chunk.error, str):
        return chunk.error
    return (chunk.message if chunk.error is None else chunk.error.message) or ""
