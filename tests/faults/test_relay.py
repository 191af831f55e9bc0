"""A stream that is dropped at one instance goes on at another: two server processes and a real Valkey."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from scriptgen.v1 import types_pb2
from tests.services.live import assert_whole, details, refused
from tests.upstream import SCRIPT, FakeUpstream, says
from tests.valkey import ValkeyServer

from .forked_servers import Forge
from .two_instances import PACE, QUERY, REQUEST, Event, first, settings, two_instances

pytestmark = pytest.mark.faults


async def test_a_second_listener_goes_on_at_another_instance_with_exactly_the_next_events(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    async with two_instances(servers, **settings(valkey, upstream)) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as staying:
            whole = await first(staying, 1)
            async with a.streaming(session, REQUEST) as events:
                seen = await first(events, 12)
            followed = await b.stream(session, REQUEST, after=12)
            whole += [event async for event in staying]
        assert_whole(whole)
        assert seen == whole[:12]
        assert followed[:-1] == whole[12:-1]
        assert_same_result(followed[-1], whole[-1])
        assert len(upstream.calls) == 1


async def test_who_follows_elsewhere_keeps_a_generation_going_that_its_own_instance_would_end(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    environment = settings(valkey, upstream, STREAM_RECONNECT_GRACE_SECONDS="0.8")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as events:
            seen = await first(events, 6)
        followed = await b.stream(session, REQUEST, after=6)
        result = assert_whole([*seen, *followed])
        assert result.status == types_pb2.GENERATION_STATUS_COMPLETED
        assert not result.resumed
        assert len(upstream.calls) == 1


async def test_a_generation_nobody_follows_any_more_ends(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    upstream.answers = [says(SCRIPT * 10, pace=PACE)]
    environment = settings(valkey, upstream, STREAM_RECONNECT_GRACE_SECONDS="0.5")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as events:
            await first(events, 6)
        async with b.streaming(session, REQUEST, after=6) as events:
            await first(events, 6)
        async with asyncio.timeout(8):
            await upstream.calls[0].gone.wait()


async def test_a_stream_that_ended_meanwhile_is_given_from_the_relay_event_for_event(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    upstream.answers = [says(SCRIPT, pace=0.01)]
    async with two_instances(servers, **settings(valkey, upstream)) as (a, b):
        session = await a.session()
        whole = await a.stream(session, REQUEST)
        assert_whole(whole)
        await until_published(valkey)
        for after in (1, 7, len(whole) - 1):
            late = await b.stream(session, REQUEST, after=after)
            assert late[:-1] == whole[after:-1]
            assert_same_result(late[-1], whole[-1])
            assert late[-1].result.replayed
        assert len(upstream.calls) == 1


async def test_a_follower_of_a_killed_instance_is_told_to_come_back_and_then_resumes_it(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    environment = settings(valkey, upstream, DISTRIBUTED_LOCK_LEASE_SECONDS="2")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as events:
            await first(events, 8)
            async with b.streaming(session, REQUEST) as following:
                seen = await first(following, 8)
                a.server.kill()
                killed = time.monotonic()
                error = await ending(following, seen)
                assert time.monotonic() - killed < 5
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "RetryInfo" in details(error)
        resumed = await b.stream(session, REQUEST, after=len(seen))
        result = assert_whole(resumed, first=len(seen) + 1)
        assert result.resumed
        assert any(event.HasField("reset") for event in resumed)
        assert len(await b.turns(session)) == 1


async def test_a_redis_that_hangs_does_not_disturb_the_stream_it_should_carry(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    environment = settings(valkey, upstream, sqlite=tmp_path / "state.db")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        gaps: list[float] = []
        events: list[Event] = []
        async with a.streaming(session, REQUEST) as stream:
            events += await first(stream, 10)
            valkey.freeze()
            before = time.monotonic()
            async for event in stream:
                events.append(event)
                if event.HasField("delta"):
                    gaps.append(time.monotonic() - before)
                before = time.monotonic()
            valkey.thaw()
        assert_whole(events)
        assert max(gaps) < 0.5
        late = await b.stream(session, REQUEST, after=len(events) - 1)
        assert late[-1].result.scripts == events[-1].result.scripts


async def test_a_redis_that_comes_back_empty_is_given_the_events_again(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream, tmp_path: Path
) -> None:
    upstream.answers = [says(SCRIPT * 2, pace=PACE)]
    environment = settings(valkey, upstream, sqlite=tmp_path / "state.db")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as staying:
            whole = await first(staying, 12)
            valkey.restart()
            await until_published(valkey, ended=False)
            followed = await b.stream(session, REQUEST, after=12)
            whole += [event async for event in staying]
        assert followed[:-1] == whole[12:-1]
        assert len(upstream.calls) == 1


async def test_a_reused_id_is_refused_while_its_request_runs_elsewhere(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    async with two_instances(servers, **settings(valkey, upstream)) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as events:
            await first(events, 6)
            async with b.streaming(session, REQUEST, query=QUERY + "，短一点") as other:
                await refused(other, grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED")


async def test_a_cancelled_stream_is_written_anew_instead_of_being_followed(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    async with two_instances(servers, **settings(valkey, upstream)) as (a, b):
        session = await a.session()
        async with a.streaming(session, REQUEST) as events:
            await first(events, 8)
            assert await b.cancel(session, REQUEST)
            rest = [event async for event in events]
            assert rest[-1].result.status == types_pb2.GENERATION_STATUS_CANCELLED
        again = await b.stream(session, REQUEST, after=8)
        assert assert_whole(again, first=9).status == types_pb2.GENERATION_STATUS_COMPLETED
        assert len(upstream.calls) == 2


async def test_only_streams_that_may_be_resumed_are_published(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    upstream.answers = [says(SCRIPT)]
    async with two_instances(servers, **settings(valkey, upstream)) as (a, _):
        session = await a.session()
        await a.generate(session, "unary-request")
        assert_whole(await a.stream(session))
        assert keys(valkey) == []
        assert_whole(await a.stream(session, REQUEST))
        await until_published(valkey)
        for key in keys(valkey):
            assert 0 < int(valkey.command("PTTL", key)[1:]) <= 120_000


async def ending(events: AsyncIterator[Event], seen: list[Event]) -> grpc.aio.AioRpcError:
    """Add what comes to `seen`, up to the error it ends with."""
    try:
        while True:
            seen.append(await anext(events))
    except grpc.aio.AioRpcError as error:
        return error


def assert_same_result(given: Event, sent: Event) -> None:
    """Equal, but that one says it was replayed."""
    assert given.sequence == sent.sequence
    ours, theirs = type(given.result)(), type(sent.result)()
    ours.CopyFrom(given.result)
    theirs.CopyFrom(sent.result)
    ours.replayed = theirs.replayed = False
    assert ours == theirs


def keys(valkey: ValkeyServer) -> list[str]:
    answer = valkey.command("KEYS", "sg:*:events:*").decode().split("\r\n")
    return [line for line in answer if line.startswith("sg:")]


async def until_published(valkey: ValkeyServer, *, ended: bool = True) -> None:
    """The publisher works in the background; wait until Redis has (the end of) the stream."""
    async with asyncio.timeout(5):
        while True:
            heads = [key for key in keys(valkey) if not key.endswith(":batches")]
            if heads and (not ended or valkey.command("HGET", heads[0], "ended") != b"$-1\r\n"):
                return
            await asyncio.sleep(0.01)
