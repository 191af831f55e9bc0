"""The session lock between processes: hand-over, exclusion, and a holder that was stopped too long."""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scriptgen.coordination.keys import session_tag
from tests.conformance.coordination.processes import worker
from tests.conformance.coordination.support import KEY, client, eventually, plain_client, redis_lock
from tests.valkey import ValkeyServer, valkey_server

pytestmark = pytest.mark.faults

LOCK_KEY = f"scriptgen:lock:{session_tag(KEY)}"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path) as running:
        yield running


async def test_eight_waiters_in_two_processes_hand_over_within_milliseconds(server: ValkeyServer) -> None:
    async with (
        worker("turns", server.url, 4, 15, 0.01) as one,
        worker("turns", server.url, 4, 15, 0.01) as two,
    ):
        both = (one, two)
        for each in both:
            assert await each.hear() == {"event": "ready"}
        for each in both:
            each.go()
        heard = await asyncio.gather(*(each.hear_all() for each in both))
    turns = sorted((turn["began"], turn["ended"], who) for who, said in enumerate(heard) for turn in said)
    assert len(turns) == 2 * 4 * 15
    gaps = [(later[0] - earlier[1]) / 1e6 for earlier, later in itertools.pairwise(turns)]
    assert min(gaps) >= 0, "two holders at a time"
    changes = sum(earlier[2] != later[2] for earlier, later in itertools.pairwise(turns))
    assert changes >= len(gaps) / 4, "no process starves the other"
    gaps.sort()
    assert gaps[len(gaps) // 2] <= 10


async def test_a_stopped_holder_loses_its_lease_and_cannot_free_the_next_ones(server: ValkeyServer) -> None:
    async with (
        worker("hold", server.url, 0.6) as holder,
        client(server.url) as redis,
        redis_lock(redis) as lock,
    ):
        held = await holder.hear()
        assert await redis.get(LOCK_KEY) == held["token"].encode()
        holder.process.send_signal(signal.SIGSTOP)
        lease = await lock.acquire(KEY, timeout=3)
        holder.process.send_signal(signal.SIGCONT)
        async with asyncio.timeout(1):
            assert await holder.hear() == {"event": "lost"}
        holder.go()
        assert await holder.hear() == {"event": "released"}
        assert await redis.get(LOCK_KEY) == lease.token.encode()
        assert not lease.lost.is_set()
        await lease.release()


async def test_a_naive_lock_is_freed_by_a_stopped_holder(server: ValkeyServer) -> None:
    """Protection off: without an owner token the stale holder deletes the lock of the next one."""
    async with worker("hold-naively", server.url) as holder, plain_client(server.url) as redis:
        assert await holder.hear() == {"event": "held"}
        holder.process.send_signal(signal.SIGSTOP)

        async def taken() -> bool:
            return bool(await redis.set("naive", "ours", nx=True, px=30_000))

        await eventually(taken)
        holder.process.send_signal(signal.SIGCONT)
        holder.go()
        assert await holder.hear() == {"event": "released"}
        assert await redis.get("naive") is None


async def test_a_killed_holder_blocks_its_session_for_one_lease_only(server: ValkeyServer) -> None:
    loop = asyncio.get_running_loop()
    async with (
        worker("hold", server.url, 0.8) as holder,
        client(server.url) as redis,
        redis_lock(redis) as lock,
    ):
        await holder.hear()
        holder.process.kill()
        killed = loop.time()
        lease = await lock.acquire(KEY, timeout=3)
        assert loop.time() - killed < 1.0
        await lease.release()
