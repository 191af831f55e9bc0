"""Taking turns inside one process: a random schedule against a model, and nothing left behind."""

from __future__ import annotations

import asyncio
import random

import pytest

from scriptgen.coordination.session_queue import SessionQueue
from scriptgen.domain.errors import ResourceExhaustedError, SessionBusyError
from scriptgen.domain.session import SessionKey

KEYS = [SessionKey("t", "a"), SessionKey("t", "b")]


async def settle() -> None:
    """Let everything that is ready run."""
    for _ in range(6):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(40))
async def test_turns_follow_a_first_in_first_out_model_under_random_cancels(seed: int) -> None:
    """Steps: enter, cancel a waiter, leave. The model is one list per session, its head holds the turn."""
    chance = random.Random(seed)
    queue = SessionQueue(max_waiters=4)
    model: dict[SessionKey, list[asyncio.Task[None]]] = {key: [] for key in KEYS}
    for _ in range(120):
        key = chance.choice(KEYS)
        line = model[key]
        step = chance.choice(("enter", "enter", "cancel", "leave", "leave and cancel the next"))
        if step == "enter":
            task = asyncio.create_task(queue.enter(key, 60))
            await settle()
            if len(line) == 5:
                assert isinstance(task.exception(), ResourceExhaustedError)
            else:
                line.append(task)
        elif step == "cancel" and len(line) > 1:
            task = line.pop(chance.randrange(1, len(line)))
            task.cancel()
            await settle()
            assert task.cancelled()
        elif step.startswith("leave") and line:
            line.pop(0)
            queue.leave(key)
            if step != "leave" and line:
                # The turn has just been given to it: it must be passed on, not kept half.
                line.pop(0).cancel()
            await settle()
        for other, waiting in model.items():
            assert [task.done() for task in waiting] == [position == 0 for position in range(len(waiting))]
            assert (other in queue._turns) == bool(waiting)
        assert queue.held == sum(bool(waiting) for waiting in model.values())
        assert queue.waiting == sum(max(0, len(waiting) - 1) for waiting in model.values())
    for key, line in model.items():
        while line:
            line.pop(0)
            queue.leave(key)
            await settle()
    assert not queue._turns


async def test_a_timeout_in_the_moment_of_the_turn_passes_the_turn_on() -> None:
    queue = SessionQueue(max_waiters=4)
    key = KEYS[0]
    await queue.enter(key, 1)
    first = asyncio.create_task(queue.enter(key, 0))
    second = asyncio.create_task(queue.enter(key, 5))
    await asyncio.sleep(0)
    queue.leave(key)
    with pytest.raises(SessionBusyError):
        await first
    await second
    queue.leave(key)
    assert not queue._turns


async def test_the_time_to_retry_follows_how_long_turns_take() -> None:
    queue = SessionQueue(max_waiters=1)
    before = queue.retry_after
    for _ in range(40):
        await queue.enter(KEYS[0], 1)
        queue.leave(KEYS[0])
    assert 0.1 <= queue.retry_after < before
