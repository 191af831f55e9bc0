"""Text that nobody waits for is read on a common beat: fewer wake-ups, and nothing else changes."""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from scriptgen.llm.beat import Beat
from scriptgen.llm.errors import IdleTimeoutError, TruncatedStreamError
from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import ChatMessage, Completed, CompletionRequest, TextDelta
from scriptgen.llm.timed_response import Timers
from tests.certificates import Authority
from tests.upstream import SCRIPT, Call, FakeUpstream, chunk, cuts, ending, event, hangs, says, writes

pytestmark = pytest.mark.faults

PATIENT = Timers(connect=30, first_token=30, idle=30, total=30)
AT_ONCE = 0.5
LONG_BEAT = 3600.0  # a pulse of it hardly ever falls into a test

LoopFactory = Callable[[], asyncio.AbstractEventLoop] | None


@pytest.fixture(params=["asyncio", "uvloop"])
def loop_factory(request: pytest.FixtureRequest) -> LoopFactory:
    if request.param == "asyncio":
        return None
    factory: LoopFactory = pytest.importorskip("uvloop").new_event_loop
    return factory


def backend(upstream: FakeUpstream, beat: float, timers: Timers = PATIENT) -> OpenAIBackend:
    return OpenAIBackend("primary", upstream.url, "fake", timers=timers, beat=Beat(beat))


def at_ease() -> float:
    """The reader has just got text."""
    return asyncio.get_running_loop().time()


def waiting() -> float:
    """The reader has got none for long."""
    return at_ease() - 2 * LONG_BEAT


def asked(shown_at: Callable[[], float] | None = at_ease) -> CompletionRequest:
    return CompletionRequest((ChatMessage("user", "写一段直播开场"),), shown_at=shown_at)


async def texts(subject: OpenAIBackend, request: CompletionRequest) -> list[str]:
    async with aclosing(subject.stream(request)) as events:
        return [event.text async for event in events if isinstance(event, TextDelta)]


async def test_a_reader_at_ease_gets_the_same_text_in_fewer_pieces() -> None:
    async with FakeUpstream(says(pace=0.004)) as upstream:
        subject = backend(upstream, beat=0.08)
        hurried = await texts(subject, asked(None))
        gathered = await texts(subject, asked())
        await subject.close()
    assert "".join(hurried) == "".join(gathered) == SCRIPT
    assert len(gathered) * 4 < len(hurried)
    assert upstream.calls[0].peer == upstream.calls[1].peer  # the connection could be used again


def test_an_encrypted_stream_rests_too(tmp_path: Path, loop_factory: LoopFactory) -> None:
    authority = Authority("ours")
    certificate, key = authority.issue()
    (tmp_path / "pair.pem").write_bytes(certificate + key)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(tmp_path / "pair.pem")
    trusted = ssl.create_default_context(cadata=authority.pem.decode())

    async def listen() -> None:
        async with FakeUpstream(says(pace=0.004), tls=own) as upstream:
            subject = OpenAIBackend(
                "primary", upstream.url, "fake", timers=PATIENT, beat=Beat(0.08), tls=trusted
            )
            gathered = await texts(subject, asked())
            await subject.close()
        assert "".join(gathered) == SCRIPT
        assert len(gathered) < len(SCRIPT) / 4

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(listen())


async def test_many_streams_are_read_at_the_same_moments() -> None:
    moments: list[float] = []

    async def noting(subject: OpenAIBackend) -> None:
        async with aclosing(subject.stream(asked())) as events:
            first = True
            async for event in events:
                if isinstance(event, TextDelta):
                    if not first:
                        moments.append(time.perf_counter())
                    first = False

    async with FakeUpstream(says(pace=0.005)) as upstream:
        subject = backend(upstream, beat=0.05)
        await asyncio.gather(*(noting(subject) for _ in range(8)))
        await subject.close()
    moments.sort()
    bursts = 1 + sum(later - earlier > 0.04 for earlier, later in zip(moments, moments[1:], strict=False))
    assert bursts >= 3  # without a beat there are no pauses
    assert len(moments) > 2 * bursts


async def test_the_first_text_never_waits_for_the_beat() -> None:
    async with FakeUpstream(hangs("姐妹们")) as upstream:
        subject = backend(upstream, beat=LONG_BEAT)
        async with asyncio.timeout(AT_ONCE), aclosing(subject.stream(asked())) as events:
            await anext(events)
            assert await anext(events) == TextDelta("姐妹们")
        await subject.close()


async def test_a_reader_who_waits_gets_each_word_at_once() -> None:
    async with FakeUpstream(says("一二三四", pace=0.02)) as upstream:
        subject = backend(upstream, beat=LONG_BEAT)
        async with asyncio.timeout(AT_ONCE):
            assert await texts(subject, asked(waiting)) == ["一二", "三四"]
        await subject.close()


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_thoughts_are_read_on_the_beat(field: str) -> None:
    thought = event({"choices": [{"delta": {field: "想一想"}}]})
    async with FakeUpstream(writes(thought, chunk("姐妹们") + ending(), pace=0.02)) as upstream:
        subject = backend(upstream, beat=LONG_BEAT)
        assert await texts(subject, asked(None)) == ["姐妹们"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(AT_ONCE):
                await texts(subject, asked(waiting))
        await subject.close()


class _Stream(asyncio.Transport):
    """Rests again as soon as it has been read."""

    def __init__(self, beat: Beat) -> None:
        super().__init__({"socket": self})
        self.read_at: list[float] = []
        self._read = asyncio.Event()
        self.seat = beat.join(self)

    def is_closing(self) -> bool:
        return False

    def setsockopt(self, _level: int, _option: int, received: int) -> None:
        if received == 1:
            self.read_at.append(at_ease())
            self._read.set()

    async def flow(self, times: int) -> None:
        for _ in range(times):
            self._read.clear()
            self.seat.rest(at_ease())
            await self._read.wait()
        self.seat.leave()


@pytest.mark.parametrize(("count", "pulses", "shorter"), [(1, 1, 1.0), (30, 1, 0.97), (200, 4, 0.8)])
async def test_many_streams_are_spread_over_a_shorter_beat(count: int, pulses: int, shorter: float) -> None:
    seconds = 0.1
    beat = Beat(seconds)
    streams = [_Stream(beat) for _ in range(count)]
    await asyncio.gather(*(stream.flow(7) for stream in streams))
    for stream in streams:
        steps = [b - a for a, b in pairwise(stream.read_at[2:])]
        assert sum(steps) / len(steps) == pytest.approx(seconds * shorter, rel=0.1)
    moments = {round(stream.read_at[3], 2) for stream in streams}
    assert pulses <= len(moments) <= 2 * pulses


async def test_streams_that_come_and_go_keep_the_pulses_even() -> None:
    beat = Beat(LONG_BEAT)
    streams = [_Stream(beat) for _ in range(128)]
    for stream in streams:
        stream.seat.rest(at_ease())
    for stream in streams[:40]:  # the whole of the first pulse, and some of the second
        stream.seat.leave()
        assert len(stream.read_at) == 1
    streams[:40] = [_Stream(beat) for _ in range(40)]
    assert [pulse.streams for pulse in beat._pulses] == [32] * 4
    for stream in streams:
        stream.seat.leave()
    assert beat.interval == LONG_BEAT


async def test_the_end_of_an_answer_does_not_wait_for_the_beat() -> None:
    async with FakeUpstream(says("一二")) as upstream:  # the end comes with its only text, or just after it
        subject = backend(upstream, beat=0.05)
        async with asyncio.timeout(AT_ONCE), aclosing(subject.stream(asked())) as events:
            got = [event async for event in events]
        await subject.close()
    assert isinstance(got[-1], Completed)


async def test_a_connection_whose_answer_ended_at_rest_is_used_again_at_once() -> None:
    started, all_read = asyncio.Event(), asyncio.Event()

    async def ends_late(call: Call) -> None:
        await call.write(chunk("姐妹们"))
        await started.wait()
        await call.write(chunk("晚上好") + ending())
        await all_read.wait()

    async with FakeUpstream(ends_late, says("一二")) as upstream:
        subject = backend(upstream, beat=LONG_BEAT)
        async with asyncio.timeout(AT_ONCE):
            async with aclosing(subject.stream(asked())) as events:
                await anext(events)
                assert await anext(events) == TextDelta("姐妹们")
                started.set()
                await asyncio.sleep(0.05)  # all arrives but the end of the body
                assert await anext(events) == TextDelta("晚上好")
                asyncio.get_running_loop().call_later(0.01, all_read.set)
                assert isinstance(await anext(events), Completed)
            assert await texts(subject, asked()) == ["一二"]
        await subject.close()
    assert upstream.calls[0].peer == upstream.calls[1].peer


async def test_leaving_a_stream_at_rest_closes_its_upstream_at_once() -> None:
    async with FakeUpstream(hangs("姐妹们")) as upstream:
        subject = backend(upstream, beat=LONG_BEAT)
        events = subject.stream(asked())
        await anext(events)
        await anext(events)
        more = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        more.cancel()
        await asyncio.wait({more})
        await events.aclose()
        await asyncio.wait_for(upstream.calls[0].gone.wait(), AT_ONCE)
        await subject.close()


async def test_a_silent_upstream_is_late_also_while_it_is_not_read() -> None:
    async with FakeUpstream(hangs("姐妹们")) as upstream:
        subject = backend(upstream, beat=LONG_BEAT, timers=replace(PATIENT, idle=0.1))
        with pytest.raises(IdleTimeoutError):
            async with asyncio.timeout(2):
                await texts(subject, asked())
        await subject.close()


async def test_a_connection_that_breaks_at_rest_is_found_at_once() -> None:
    async with FakeUpstream(cuts(chunk("姐妹们"))) as upstream:
        subject = backend(upstream, beat=LONG_BEAT)
        with pytest.raises(TruncatedStreamError):
            async with asyncio.timeout(AT_ONCE):
                await texts(subject, asked())
        await subject.close()


@contextmanager
def _pacing(words: int, pace: float) -> Iterator[str]:
    """An upstream in a thread: one event for each word, and then silence. Yields its URL."""
    said = [b"%x\r\n%s\r\n" % (len(event), event) for event in [chunk("好")] * words]
    left = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(ConnectionError):  # the reader leaves in the middle
            connection.recv(65536)
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            connection.sendall(head)
            for frame in said:
                connection.sendall(frame)
                time.sleep(pace)
            left.wait(PATIENT.total)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            left.set()
            thread.join()


def test_words_between_two_pulses_wake_nobody(loop_factory: LoopFactory) -> None:
    """Counted by the kernel, for the thread of the event loop."""
    words = 100

    async def listen(url: str) -> int:
        subject = OpenAIBackend("primary", url, "fake", timers=PATIENT, beat=Beat(LONG_BEAT))
        async with aclosing(subject.stream(asked())) as events:
            await anext(events)
            await anext(events)
            more = asyncio.ensure_future(anext(events))
            await asyncio.sleep(0.05)  # the second wait begins, and with it the rest
            before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
            await asyncio.sleep(0.3)
            woken = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
            more.cancel()
            await asyncio.wait({more})
        await subject.close()
        return woken

    with _pacing(words, pace=0.005) as url, asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(listen(url)) < words / 10
