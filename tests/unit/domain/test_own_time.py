"""A bound that a stall of this process does not use up."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from scriptgen.domain.own_time import own_time

BOUND = 0.1


async def answered_during_a_stall(bound: own_time | asyncio.Timeout) -> bytes:
    """An answer that is there in time, while the event loop stands still past the bound."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    loop = asyncio.get_running_loop()

    def stall() -> None:
        theirs.send(b"prompt")
        time.sleep(2 * BOUND)

    try:
        loop.call_later(0.01, stall)
        async with bound:
            # A further turn of the loop between reading and using it, as any client has.
            data = await loop.sock_recv(ours, 16)
            await asyncio.sleep(0)
            return data
    finally:
        ours.close()
        theirs.close()


async def test_an_answer_that_came_during_a_stall_is_taken() -> None:
    assert await answered_during_a_stall(own_time(BOUND)) == b"prompt"


async def test_a_plain_timeout_takes_it_for_missing() -> None:
    """Protection off."""
    with pytest.raises(TimeoutError):
        await answered_during_a_stall(asyncio.timeout(BOUND))


async def test_no_answer_is_a_timeout_also_after_a_stall() -> None:
    loop = asyncio.get_running_loop()
    loop.call_later(0.01, time.sleep, 2 * BOUND)
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with own_time(BOUND):
            await asyncio.Event().wait()
    assert loop.time() - began >= 2 * BOUND + 0.01


async def test_no_answer_is_a_timeout() -> None:
    with pytest.raises(TimeoutError):
        async with own_time(0.01):
            await asyncio.Event().wait()


async def test_a_cancel_from_elsewhere_stays_one() -> None:
    entered = asyncio.Event()

    async def waits() -> None:
        async with own_time(10):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_ends_in_time_leaves_nothing_behind() -> None:
    async with own_time(0.02):
        pass
    task = asyncio.current_task()
    assert task is not None
    await asyncio.sleep(0.05)
    assert task.cancelling() == 0
