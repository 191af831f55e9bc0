"""Two instances in front of one Redis, as their callers see them: one session at a time, one quota, one cancel."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import grpc
import pytest

from scriptgen.v1 import generate_pb2, session_pb2, types_pb2
from tests.faults.forked_servers import Forge
from tests.faults.two_instances import QUERY, REQUEST, Instance, first, settings, two_instances
from tests.services.live import details, refused
from tests.upstream import SCRIPT, FakeUpstream, says
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.timing


async def test_cancelling_at_another_instance_ends_the_stream_and_the_model_call(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    loop = asyncio.get_running_loop()
    async with two_instances(servers, **settings(valkey, upstream)) as (a, b):
        took = []
        for number in range(3):
            session = await a.session()
            async with a.streaming(session, f"request-{number}") as events:
                await first(events, 8)
                began = loop.time()
                assert await b.cancel(session, f"request-{number}")
                rest = [event async for event in events]
            took.append(loop.time() - began)
            assert rest[-1].result.status == types_pb2.GENERATION_STATUS_CANCELLED
            async with asyncio.timeout(1):
                await upstream.calls[number].gone.wait()
            assert upstream.calls[number].gone_at - began < 0.5
            assert not await b.cancel(session, f"request-{number}")
        assert sorted(took)[1] < 0.3


async def test_a_request_that_runs_elsewhere_waits_for_it_and_gets_the_same_scripts(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    async with two_instances(servers, **settings(valkey, upstream)) as (a, b):
        session = await a.session()
        running = asyncio.create_task(a.generate(session, REQUEST))
        await called(upstream, 1)
        again = await b.generate(session, REQUEST)
        original = await running
        assert again.replayed
        assert not original.replayed
        assert again.scripts == original.scripts
        assert len(upstream.calls) == 1


async def test_a_busy_session_is_refused_after_the_configured_wait(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    environment = settings(valkey, upstream, SESSION_LOCK_TIMEOUT_SECONDS="0.5")
    loop = asyncio.get_running_loop()
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        async with a.streaming(session) as events:
            await first(events, 4)
            began = loop.time()
            found = await refused(_call(b, session), grpc.StatusCode.ABORTED, "SESSION_BUSY")
            assert 0.4 < loop.time() - began < 2
            assert "RetryInfo" in found
        assert len(upstream.calls) == 1


async def test_more_waiters_than_may_wait_are_refused_at_once(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    environment = settings(valkey, upstream, SESSION_LOCK_MAX_WAITERS="1")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        async with a.streaming(session) as events:
            await first(events, 4)
            waiting = [asyncio.create_task(b.generate(session)) for _ in range(2)]
            await waiters(b, 1)
            found = await refused(_call(b, session), grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL")
            assert {"RetryInfo", "QuotaFailure"} <= found.keys()
        await asyncio.gather(*waiting)


async def test_one_quota_holds_over_two_instances_and_refusals_cost_nothing(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    upstream.answers = [says(SCRIPT)]
    environment = settings(valkey, upstream, CORE_RATE_QPS_PER_TENANT="5")
    loop = asyncio.get_running_loop()
    async with two_instances(servers, **environment) as pair:
        sessions = {
            tenant: [await session_of(pair[0], tenant) for _ in range(4)] for tenant in ("busy", "other")
        }
        codes: Counter[grpc.StatusCode] = Counter()
        refusals: list[grpc.aio.AioRpcError] = []
        until = loop.time() + 6

        async def offer(instance: Instance, session: str) -> None:
            while loop.time() < until:
                try:
                    await _call(instance, session, tenant="busy")
                    codes[grpc.StatusCode.OK] += 1
                except grpc.aio.AioRpcError as error:
                    codes[error.code()] += 1
                    refusals.append(error)
                await asyncio.sleep(0.1)

        async def neighbour() -> None:
            while loop.time() < until:
                await _call(pair[1], sessions["other"][0], tenant="other")
                await asyncio.sleep(0.4)

        callers = [
            offer(instance, session)
            for instance, own in zip(pair, (sessions["busy"][:2], sessions["busy"][2:]), strict=True)
            for session in own
        ]
        others = asyncio.create_task(neighbour())
        await asyncio.gather(*callers)
        await others
        assert 21 <= codes[grpc.StatusCode.OK] <= 40
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        for error in refusals:
            found: dict[str, Any] = details(error)
            assert found["ErrorInfo"].reason == "QPS_LIMIT_EXCEEDED"
            wait = found["RetryInfo"].retry_delay.ToTimedelta().total_seconds()
            assert 0 < wait <= 1
            trailing = dict(error.trailing_metadata() or ())
            assert abs(int(trailing["grpc-retry-pushback-ms"]) - wait * 1000) <= 1
        answered = len([call for call in upstream.calls if call.completed])
        turns = sum([await turn_count(pair[0], session, "busy") for session in sessions["busy"]])
        assert turns == codes[grpc.StatusCode.OK]
        neighbours = await turn_count(pair[0], sessions["other"][0], "other")
        assert neighbours >= 8
        assert answered == len(upstream.calls) == turns + neighbours


async def test_refusals_over_tokens_leave_the_tokens_to_those_who_pass(
    servers: Forge, valkey: ValkeyServer, upstream: FakeUpstream
) -> None:
    """Refused calls on one instance must not eat what the other may still use."""
    upstream.answers = [says(SCRIPT)]
    environment = settings(valkey, upstream, CORE_RATE_TOKENS_PER_MIN="8000")
    async with two_instances(servers, **environment) as (a, b):
        session = await a.session()
        results, denied = [], 0
        for instance in (a, b) * 12:
            try:
                results.append(await instance.generate(session))
            except grpc.aio.AioRpcError as error:
                found: dict[str, Any] = details(error)
                assert found["ErrorInfo"].reason == "TOKEN_LIMIT_EXCEEDED"
                denied += 1
        assert denied > 10
        assert len(upstream.calls) == len(results)
        used = sum(result.usage.prompt_tokens + result.usage.completion_tokens for result in results)
        assert used <= 8000 / 4 + 8000 / 60 * 6  # a burst, and what six seconds give back
        wait = found["RetryInfo"].retry_delay.ToTimedelta().total_seconds()
        await asyncio.sleep(wait)
        await b.generate(session)


def _call(instance: Instance, session: str, *, tenant: str = "") -> Any:
    request = generate_pb2.GenerateRequest(session_id=session, query=QUERY)
    metadata = (("x-tenant-id", tenant),) if tenant else None
    return instance.generation.Generate(request, timeout=30, metadata=metadata)


async def session_of(instance: Instance, tenant: str) -> str:
    request = session_pb2.CreateSessionRequest(category="美妆")
    answer = await instance.sessions.CreateSession(request, metadata=(("x-tenant-id", tenant),), timeout=10)
    return answer.session.session_id


async def turn_count(instance: Instance, session: str, tenant: str) -> int:
    request = session_pb2.GetSessionRequest(session_id=session)
    answer = await instance.sessions.GetSession(request, metadata=(("x-tenant-id", tenant),), timeout=10)
    return len(answer.session.turns)


async def called(upstream: FakeUpstream, count: int) -> None:
    async with asyncio.timeout(10):
        while len(upstream.calls) < count:
            await asyncio.sleep(0.01)


async def waiters(instance: Instance, count: int) -> None:
    """Until the instance says that so many wait for a session."""
    async with asyncio.timeout(5):
        while (await instance.details("session_lock"))["waiting"] != str(count):
            await asyncio.sleep(0.01)
