"""The framing and decoding of a streamed chat completion, on bytes alone."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.domain.generation import Usage
from scriptgen.llm.errors import MalformedStreamError, UpstreamReportedError
from scriptgen.llm.sse import ChatStream, EventFramer


def frame(*blocks: bytes) -> list[bytes]:
    framer = EventFramer()
    return [event for block in blocks for event in framer.feed(block)]


def chunk(text: str | None = None, finish: str | None = None, **more: object) -> bytes:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"choices": [choice], **more}, ensure_ascii=False).encode() + b"\n\n"


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [b"a", b"b", b"c"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\ndata\ndata: b\n\n", [b"a\n\nb"]),
        (b": a comment\n\n: another\ndata: a\n\n", [b"a"]),
        (b"event: x\nid: 7\nretry: 9\ndata: a\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
        (b"data: \n\n", [b""]),
        (b"\n\n\n", []),
        (b"data: unfinished", []),
        (b"data: unfinished\n", []),
        (b"database: a\n\n", []),
    ],
)
def test_events_are_framed_as_the_standard_says(stream: bytes, events: list[bytes]) -> None:
    assert frame(stream) == events
    assert frame(*(stream[i : i + 1] for i in range(len(stream)))) == events


@settings(deadline=None)
@given(
    data=st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8")), max_size=6),
    newline=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
def test_framing_does_not_depend_on_where_the_bytes_are_cut(
    data: list[str], newline: bytes, cuts: list[int]
) -> None:
    stream = b"".join(b"data: " + text.encode() + newline * 2 for text in data)
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    blocks = [stream[a:b] for a, b in itertools.pairwise(places)]
    assert frame(*blocks) == frame(stream) == [text.encode() for text in data]


@pytest.mark.parametrize(
    "blocks",
    [
        [b"data: " + b"x" * 300],
        [b"x" * 50] * 8,
        [b"data: xxxxxxxxx\n"] * 40,
        [b"data: " + b"x" * 300 + b"\n\n"],
    ],
    ids=["one line", "a line that never ends", "an event that never ends", "one whole event"],
)
def test_what_never_ends_is_refused(blocks: list[bytes]) -> None:
    framer = EventFramer(max_event_bytes=256)
    with pytest.raises(MalformedStreamError):
        _ = [framer.feed(block) for block in blocks]


def test_many_events_are_no_large_event() -> None:
    framer = EventFramer(max_event_bytes=256)
    assert len(framer.feed(b"data: 0123456789\n\n" * 1000)) == 1000


def test_all_deltas_of_one_read_are_one_text() -> None:
    chat = ChatStream()
    assert chat.feed(chunk("姐妹") + chunk("们，") + chunk("看这里")) == "姐妹们，看这里"
    assert chat.feed(chunk(None, "stop") + b"data: [DONE]\n\n") == ""
    assert (chat.finish_reason, chat.done, chat.chunks) == ("stop", True, 4)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=40), st.integers(1, 7))
def test_any_text_survives_any_cut(text: str, size: int) -> None:
    stream = b"".join(chunk(character) for character in text) + chunk(None, "length")
    chat = ChatStream()
    read = "".join(chat.feed(stream[i : i + size]) for i in range(0, len(stream), size))
    assert read == text
    assert chat.finish_reason == "length"


def test_usage_may_come_alone_or_with_every_chunk_and_the_last_counts() -> None:
    chat = ChatStream()
    chat.feed(chunk("好", usage={"prompt_tokens": 9, "completion_tokens": 1}))
    assert chat.usage == Usage(9, 1)
    chat.feed(b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}\n\n')
    assert chat.usage == Usage(9, 4)
    chat.feed(b'data: {"choices": [], "usage": null}\n\n')
    assert chat.usage == Usage(9, 4)


def test_thinking_and_unknown_fields_are_not_text() -> None:
    chat = ChatStream()
    block = b'data: {"choices":[{"delta":{"reasoning_content":"hmm","role":"assistant"},"x":1}],"y":[2]}\n\n'
    assert chat.feed(block) == ""
    assert chat.chunks == 1


@pytest.mark.parametrize(
    ("delta", "thinking"),
    [
        (b'{"reasoning_content":"hmm"}', True),
        (b'{"reasoning":"hmm","content":""}', True),
        (b'{"reasoning":{"steps":[1]}}', True),
        (b'{"reasoning":null,"reasoning_content":"","content":"hm"}', False),
        (b'{"role":"assistant","content":""}', False),
    ],
)
def test_a_thought_is_told_from_an_empty_text(delta: bytes, thinking: bool) -> None:
    chat = ChatStream()
    chat.feed(b'data: {"choices":[{"delta":' + delta + b"}]}\n\n")
    assert chat.thinking is thinking


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"null",
        b'"text"',
        b"[]",
        b'{"choices": 7}',
        b'{"choices": [{"delta": {"content": 7}}]}',
        b'{"choices": [{"delta": {"content": "\xff"}}]}',
    ],
)
def test_what_is_no_chunk_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedStreamError):
        ChatStream().feed(b"data: " + data + b"\n\n")


@pytest.mark.parametrize(
    "data",
    [
        b'{"error": {"message": "CUDA out of memory", "type": "server_error", "code": 500}}',
        b'{"error": "CUDA out of memory"}',
        b'{"object": "error", "message": "CUDA out of memory", "code": 500}',
    ],
)
def test_an_error_object_is_reported_with_its_message(data: bytes) -> None:
    with pytest.raises(UpstreamReportedError, match="CUDA out of memory"):
        ChatStream().feed(b"data: " + data + b"\n\n")


ERROR = b'data: {"error": {"message": "out of memory"}}\n\n'
GARBAGE = b"data: {oops\n\n"


@pytest.mark.parametrize(
    ("events", "error"),
    [
        ([chunk("好"), GARBAGE, ERROR], MalformedStreamError),
        ([chunk("好"), ERROR, GARBAGE], UpstreamReportedError),
        ([chunk("好"), b'data: {"choices": []}{"choices": []}\n\n'], MalformedStreamError),
        ([b"data: \n\n", chunk("好")], MalformedStreamError),
    ],
    ids=["garbage first", "error first", "two values in one event", "an empty event"],
)
def test_the_first_thing_wrong_is_told_however_the_events_arrive(
    events: list[bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        ChatStream().feed(b"".join(events))
    one_by_one = ChatStream()
    with pytest.raises(error):
        _ = [one_by_one.feed(each) for each in events]


def test_text_after_the_finish_reason_is_malformed() -> None:
    chat = ChatStream()
    chat.feed(chunk("好", "stop"))
    with pytest.raises(MalformedStreamError):
        chat.feed(chunk("还有"))


def test_nothing_after_done_is_read() -> None:
    chat = ChatStream()
    assert chat.feed(chunk("好", "stop") + b"data: [DONE]\n\ndata: {oops\n\n") == "好"
    assert chat.feed(chunk("还有")) == ""
