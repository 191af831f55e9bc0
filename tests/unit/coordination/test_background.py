"""The owner of a background task."""

from __future__ import annotations

import asyncio

import pytest

from scriptgen.coordination.background import Background


async def test_closing_waits_for_the_task_and_leaves_none() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    background = Background("work", work)
    background.start()
    background.start()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 2
    await background.close()
    await background.close()
    assert ended.is_set()
    assert len(asyncio.all_tasks()) == 1


async def test_a_task_that_breaks_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ZeroDivisionError

    background = Background("work", work)
    background.start()
    await asyncio.sleep(0)
    await background.close()
    assert "work stopped" in caplog.text
