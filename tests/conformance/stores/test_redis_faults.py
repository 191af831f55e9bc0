"""Redis slow, gone, back empty, read-only or wrongly set up: bounded answers, plain errors, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import ResponseError

from scriptgen.domain.component import ComponentState
from scriptgen.domain.errors import SessionExistsError, StoreUnavailableError, VersionConflictError
from scriptgen.domain.session import SessionKey
from scriptgen.stores.protocols import SessionFilter
from scriptgen.stores.redis import (
    RedisBackend,
    RedisCheckpointStore,
    RedisProfileStore,
    RedisSessionStore,
    connect,
)
from scriptgen.stores.redis.commit import create_session
from scriptgen.stores.retention import Retention
from tests.valkey import ValkeyServer, valkey_server

from .proxy import Proxy, proxy_to
from .samples import KEY, chain, head, new_session, next_write, record


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    with valkey_server(tmp_path, tcp=True) as started:
        yield started


@pytest.fixture
async def proxy(server: ValkeyServer) -> AsyncIterator[Proxy]:
    async with proxy_to(server.port) as opened:
        yield opened


@pytest.fixture
async def backend(proxy: Proxy) -> AsyncIterator[RedisBackend]:
    opened = RedisBackend(connect(f"redis://127.0.0.1:{proxy.port}/0"))
    yield opened
    await opened.close()


async def test_an_append_a_commit_and_every_opening_take_one_round_trip(
    backend: RedisBackend, proxy: Proxy
) -> None:
    log, sessions = RedisCheckpointStore(backend), RedisSessionStore(backend)
    await sessions.create(new_session(turns=3))
    records = chain(3)
    await log.append(records[0], 0)  # connected, scripts loaded
    await log.open_session(KEY, None, turns=1)

    async def trips(call: Awaitable[Any]) -> int:
        before = proxy.round_trips
        await call
        return proxy.round_trips - before

    assert await trips(log.append(records[1], 1)) == 1
    assert await trips(log.append(records[2], 2, session=next_write(head(), turns=(3,)))) == 1
    assert await trips(log.open(KEY, "request-2")) == 1
    assert await trips(log.open_session(KEY, "request-2", turns=10)) == 1
    assert await trips(log.latest(KEY)) == 1
    assert await trips(log.get(KEY, 2)) == 1
    assert await trips(log.find_request(KEY, "request-1")) == 1
    assert await trips(sessions.load(KEY)) == 1
    assert await trips(sessions.save(next_write(head(revision=2)))) == 1
    assert await trips(sessions.create(new_session(SessionKey("t", "new")))) == 2
    assert await trips(sessions.list("tenant-a", SessionFilter(), page_size=10)) == 2


async def test_an_append_whose_reply_is_lost_is_made_once(backend: RedisBackend, proxy: Proxy) -> None:
    log, sessions = RedisCheckpointStore(backend), RedisSessionStore(backend)
    await sessions.create(new_session())
    records = chain(2)
    await log.append(records[0], 0)
    proxy.lose_replies = 1
    await log.append(records[1], 1, session=next_write(head(), turns=(0,)))
    assert proxy.lose_replies == 0
    assert [each async for each in log.walk(KEY)] == records
    assert await sessions.load(KEY) == new_session(turns=1, revision=2)


async def test_a_created_session_whose_reply_is_lost_is_made_once(
    backend: RedisBackend, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions = RedisSessionStore(backend)
    await sessions.create(new_session(SessionKey("t", "warm-up")))
    real = backend.run

    async def lose_the_reply(*arguments: Any) -> Any:
        proxy.lose_replies = 1
        return await real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(backend, "run", lose_the_reply)
        await sessions.create(new_session())
    assert proxy.lose_replies == 0
    with pytest.raises(SessionExistsError):
        await sessions.create(new_session(category="食品"))
    page = await sessions.list(KEY.tenant_id, SessionFilter(), page_size=10)
    assert page.heads == (head(),)


async def test_losing_every_reply_is_an_error_not_a_loop(backend: RedisBackend, proxy: Proxy) -> None:
    log = RedisCheckpointStore(backend)
    await log.append(record(1), 0)
    proxy.lose_replies = 1_000
    with pytest.raises(StoreUnavailableError, match="cannot be reached"):
        await log.append(record(2), 1)
    assert proxy.lose_replies >= 990
    proxy.lose_replies = 0
    await log.append(record(2), 1)  # the caller may repeat what was not confirmed


async def test_a_frozen_server_is_an_error_within_the_time_limit(
    backend: RedisBackend, server: ValkeyServer
) -> None:
    log = RedisCheckpointStore(backend)
    await log.append(record(1), 0)
    server.freeze()
    try:
        started = time.monotonic()
        calls = [log.append(record(2), 1), log.latest(KEY), log.open_session(KEY, "r", turns=1)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 0.9
        assert [str(outcome) for outcome in outcomes] == ["Redis did not answer in time."] * 3
        assert (await log.status()).state is ComponentState.DOWN
    finally:
        server.thaw()
    async with asyncio.timeout(5):
        while (await log.status()).state is not ComponentState.OK:
            await asyncio.sleep(0.02)
    newest = await log.latest(KEY)  # the frozen append may or may not have been done: never half
    assert newest is not None
    await log.append(chain(newest.version + 1)[-1], newest.version)


async def test_a_killed_server_is_an_error_and_its_return_needs_no_restart(
    backend: RedisBackend, server: ValkeyServer
) -> None:
    log, sessions = RedisCheckpointStore(backend), RedisSessionStore(backend)
    await sessions.create(new_session())
    await log.append(record(1), 0)
    server.kill()
    for call in (log.append(record(2), 1), sessions.load(KEY), sessions.create(new_session())):
        with pytest.raises(StoreUnavailableError):
            await call
    assert (await sessions.status()).state is ComponentState.DOWN
    server.restart()
    # Back empty: neither scripts nor data are there, and that is answered like any empty store.
    assert (await sessions.status()).state is ComponentState.OK
    assert await sessions.load(KEY) is None
    with pytest.raises(VersionConflictError):
        await log.append(record(2), 1)
    await log.append(record(1), 0)


async def test_a_durable_server_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    with valkey_server(tmp_path, tcp=True, appendonly=True) as server:
        backend = RedisBackend(connect(server.url))
        log = RedisCheckpointStore(backend)
        records = chain(50)
        for version, each in enumerate(records):
            await log.append(each, version)
        server.restart()
        assert [each async for each in log.walk(KEY)] == records
        await backend.close()


async def test_a_read_only_replica_is_unavailable_and_down(
    backend: RedisBackend, server: ValkeyServer
) -> None:
    log = RedisCheckpointStore(backend)
    await log.append(record(1), 0)
    server.command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(StoreUnavailableError, match="takes no writes"):
        await log.append(record(2), 1)
    assert (await log.status()).state is ComponentState.DOWN
    assert await log.latest(KEY) == record(1)
    server.command("REPLICAOF", "NO", "ONE")
    assert (await log.status()).state is ComponentState.OK
    await log.append(record(2), 1)


async def test_a_missing_password_is_unavailable_and_down(
    backend: RedisBackend, server: ValkeyServer
) -> None:
    server.command("CONFIG", "SET", "requirepass", "secret")
    log = RedisCheckpointStore(backend)
    with pytest.raises(StoreUnavailableError, match="setup is wrong"):
        await log.latest(KEY)
    status = await log.status()
    assert status.state is ComponentState.DOWN
    assert "secret" not in str(status)
    allowed = RedisBackend(connect(f"redis://:secret@127.0.0.1:{server.port}/0"))
    assert (await allowed.status("session_store")).state is ComponentState.OK
    await allowed.close()


async def test_a_key_of_another_type_is_a_wrong_setup(backend: RedisBackend, server: ValkeyServer) -> None:
    server.command("SET", backend.keys.log(KEY), "somebody else's")
    server.command("SET", backend.keys.profile("t", "i"), "somebody else's")
    for call in (RedisCheckpointStore(backend).latest(KEY), RedisProfileStore(backend).get("t", "i")):
        with pytest.raises(StoreUnavailableError, match="setup is wrong"):
            await call


async def test_a_wrong_command_is_our_own_mistake_and_is_not_hidden(backend: RedisBackend) -> None:
    with pytest.raises(ResponseError, match="wrong number"):
        await backend.command("HGET", "key")


async def test_a_database_that_is_not_there_is_a_wrong_setup(server: ValkeyServer) -> None:
    backend = RedisBackend(connect(f"redis://127.0.0.1:{server.port}/99"))
    assert (await backend.status("session_store")).details == {
        "error": "Redis refuses this service; its setup is wrong."
    }
    await backend.close()


async def test_a_full_server_is_unavailable(backend: RedisBackend, server: ValkeyServer) -> None:
    server.command("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailableError, match="out of memory"):
        await RedisCheckpointStore(backend).append(record(1), 0)


async def test_a_cancelled_call_ends_and_leaves_the_connection_usable(backend: RedisBackend) -> None:
    log = RedisCheckpointStore(backend)
    await log.append(record(1), 0)
    for turns in range(60):

        async def read_on() -> None:
            for _ in range(200):
                assert await log.latest(KEY) == record(1)

        reading = asyncio.create_task(read_on())
        for _ in range(turns % 12):
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert await log.latest(KEY) == record(1)


async def test_sessions_and_logs_expire_together_and_every_write_renews_both(
    server: ValkeyServer,
) -> None:
    backend = RedisBackend(connect(server.url), Retention(ttl_seconds=100))
    log, sessions = RedisCheckpointStore(backend), RedisSessionStore(backend)
    names = backend.keys.of_session(KEY)
    await sessions.create(new_session(turns=1))
    await log.append(record(1), 0)

    async def lives() -> list[int]:
        return await backend.commands([("PTTL", name) for name in names])

    async def shorten() -> None:
        await backend.commands([("PEXPIRE", name, 5_000) for name in names])

    assert all(90_000 < life <= 100_000 for life in await lives())
    for write in (
        sessions.save(next_write(head(), summary="新")),
        log.append(record(2), 1),
        log.append(record(3), 2, session=next_write(head(revision=2))),
    ):
        await shorten()
        await write
        assert all(90_000 < life <= 100_000 for life in await lives())
    await backend.close()
    keeping = RedisBackend(connect(server.url), Retention(ttl_seconds=0))
    await RedisCheckpointStore(keeping).append(record(4), 3)
    assert await keeping.commands([("PTTL", name) for name in names]) == [-1] * 4
    await keeping.close()


async def test_index_entries_of_expired_sessions_are_passed_over_and_dropped(server: ValkeyServer) -> None:
    backend = RedisBackend(connect(server.url), Retention(ttl_seconds=100))
    sessions = RedisSessionStore(backend)
    for number in range(40):
        await sessions.create(new_session(SessionKey("t", f"s-{number:02}"), create_time=number))
    for number in range(5, 40):
        server.command("DEL", backend.keys.of_session(SessionKey("t", f"s-{number:02}"))[0])
    page = await sessions.list("t", SessionFilter(), page_size=3)
    assert [each.session_id for each in page.heads] == ["s-04", "s-03", "s-02"]
    index = backend.keys.index("t")
    assert await backend.command("ZCARD", index) == 5
    for number in range(5):
        server.command("DEL", backend.keys.of_session(SessionKey("t", f"s-{number:02}"))[0])
    now = time.time_ns() // 1_000
    for number in range(200):  # nobody lists, yet the dead entries go
        await sessions.create(new_session(SessionKey("t", f"n-{number}"), create_time=now))
        if await backend.command("ZCARD", index) == number + 1:
            break
    else:
        pytest.fail("dead entries stayed in the index")
    await backend.close()


async def test_a_young_index_entry_without_a_session_is_left_alone(server: ValkeyServer) -> None:
    """It may belong to a session that another instance is making at this moment."""
    backend = RedisBackend(connect(server.url))
    sessions = RedisSessionStore(backend)
    now = time.time_ns() // 1_000
    await backend.command("ZADD", backend.keys.index("t"), 0, b"%020d%s" % (now, b"making"))
    assert (await sessions.list("t", SessionFilter(), page_size=10)).heads == ()
    await create_session(backend, new_session(SessionKey("t", "making"), create_time=now))
    assert len((await sessions.list("t", SessionFilter(), page_size=10)).heads) == 1
    await backend.close()


async def test_a_refused_creation_leaves_no_second_entry_in_the_index(server: ValkeyServer) -> None:
    backend = RedisBackend(connect(server.url))
    sessions = RedisSessionStore(backend)
    now = time.time_ns() // 1_000
    await sessions.create(new_session(create_time=now))
    for create_time in (now, now + 5):
        with pytest.raises(SessionExistsError):
            await sessions.create(new_session(create_time=create_time, category="食品"))
    assert await backend.command("ZCARD", backend.keys.index(KEY.tenant_id)) == 1
    page = await sessions.list(KEY.tenant_id, SessionFilter(), page_size=10)
    assert [each.category for each in page.heads] == ["美妆"]
    await backend.close()
