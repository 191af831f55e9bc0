"""A published cancel reaches every instance, also after the connection was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from scriptgen.coordination.cancel_bus import RedisCancelBus
from scriptgen.coordination.keys import CANCEL_CHANNEL
from scriptgen.coordination.local_cancel_bus import LocalCancelBus
from scriptgen.domain.session import SessionKey
from tests.conformance.coordination.support import KEY, client, eventually
from tests.valkey import ValkeyServer, valkey_server


class Instance:
    """Collects what one instance heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[SessionKey, str]] = asyncio.Queue(100)

    def __call__(self, key: SessionKey, request_id: str) -> None:
        self.heard.put_nowait((key, request_id))


async def test_one_process_hears_its_own_cancel_at_once() -> None:
    bus, instance = LocalCancelBus(), Instance()
    bus.listen(instance)
    await bus.start()
    await bus.publish(KEY, "r1")
    assert instance.heard.get_nowait() == (KEY, "r1")
    await bus.close()


@pytest.mark.parametrize("kind", ["server", "cluster"])
async def test_every_instance_hears_a_cancel_once(kind: str, request: pytest.FixtureRequest) -> None:
    server: ValkeyServer = request.getfixturevalue(kind)
    async with client(server.url) as first, client(server.url) as second:
        await hear_each_other(RedisCancelBus(first), RedisCancelBus(second))


async def test_a_stall_of_this_process_loses_no_cancel(server: ValkeyServer) -> None:
    async with client(server.url) as first, client(server.url) as second:
        here, there = RedisCancelBus(first, operation_timeout=0.3), RedisCancelBus(second)
        theirs = Instance()
        there.listen(theirs)
        async with connected(here, there):
            publishing = asyncio.create_task(here.publish(KEY, "late"))
            await asyncio.sleep(0)  # it has begun
            asyncio.get_running_loop().call_soon(time.sleep, 0.5)
            await publishing
            assert await theirs.heard.get() == (KEY, "late")


@asynccontextmanager
async def connected(*buses: RedisCancelBus) -> AsyncIterator[None]:
    """All of them started, and within five seconds done with."""
    for bus in buses:
        await bus.start()
    try:
        async with asyncio.timeout(5):
            for bus in buses:
                await bus.connected.wait()
            yield
    finally:
        for bus in buses:
            await bus.close()


async def hear_each_other(here: RedisCancelBus, there: RedisCancelBus) -> None:
    mine, theirs = Instance(), Instance()
    here.listen(mine)
    there.listen(theirs)
    async with connected(here, there):
        for number in range(3):
            await here.publish(SessionKey("租户", "s:1"), f"r{number}")
        for number in range(3):
            assert await theirs.heard.get() == (SessionKey("租户", "s:1"), f"r{number}")
        await there.publish(KEY, "back")
        heard = [await mine.heard.get() for _ in range(4)]
        assert [request_id for _, request_id in heard] == ["r0", "r1", "r2", "back"]
        assert mine.heard.empty()
        assert theirs.heard.get_nowait() == (KEY, "back")


async def test_the_bus_survives_a_restart_and_messages_that_are_not_ours(tmp_path: Path) -> None:
    with valkey_server(tmp_path) as server:
        async with client(server.url) as first, client(server.url) as second:
            here, there = RedisCancelBus(first), RedisCancelBus(second)
            instance = Instance()
            there.listen(instance)

            async def deaf() -> bool:
                return not there.connected.is_set()

            await there.start()
            async with asyncio.timeout(10):
                await there.connected.wait()
                server.kill()
                await eventually(deaf, within=5)
                await here.publish(KEY, "lost")  # does not raise
                server.restart()
                await there.connected.wait()
                for rubbish in ("{", "[1]", "7", '"text"'):
                    await first.publish(CANCEL_CHANNEL, rubbish)
                await here.publish(KEY, "heard")
                assert await instance.heard.get() == (KEY, "heard")
            await there.close()
            await here.close()
