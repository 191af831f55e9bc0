"""The event channel: numbered without gaps, the same for every listener, never slower than its slowest."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.generation import (
    GenerationEvent,
    GenerationResult,
    ResetReason,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
    StageChanged,
)
from scriptgen.domain.vocabulary import GenerationStatus, Stage
from scriptgen.workflow.channel import EventChannel, next_pulse

from .kit import shown_texts

STAGE = StageChanged(Stage.SCRIPT_GENERATING)
RESULT = GenerationResult("request-0001", "trace", "ses_1", GenerationStatus.COMPLETED)
EVENTS = st.lists(
    st.one_of(
        st.builds(ScriptDelta, st.integers(0, 2), st.text("直播带货话术", min_size=1, max_size=4)),
        st.builds(ScriptReset, st.integers(0, 2), st.just(ResetReason.QUALITY_RETRY)),
        st.just(STAGE),
    ),
    max_size=40,
)


async def heard(channel: EventChannel, after: int = 0) -> list[SequencedEvent]:
    return [event async for event in channel.subscribe(after)]


def texts(events: list[GenerationEvent]) -> dict[int, str]:
    return shown_texts([SequencedEvent(0, event) for event in events])


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, flush=st.sampled_from([0.0, 10.0]), limit=st.integers(1, 50), first=st.integers(1, 9))
def test_every_listener_reads_the_same_gapless_events_that_add_up_to_the_text(
    events: list[GenerationEvent], flush: float, limit: int, first: int
) -> None:
    async def run() -> None:
        channel = EventChannel(flush_seconds=flush, max_events=limit, first_sequence=first)
        early = asyncio.create_task(heard(channel))
        for event in events:
            channel.emit(event)
            if isinstance(event, ScriptReset):
                await asyncio.sleep(0)  # now and then the listener has its turn
        channel.emit(RESULT)
        channel.close()
        seen = await early
        assert [event.sequence for event in seen] == list(range(first, first + len(seen)))
        assert seen[-1].event == RESULT
        assert shown_texts(seen) == texts(events)
        for after in (first, first + len(seen) // 2):
            assert await heard(channel, after) == [event for event in seen if event.sequence > after]

    asyncio.run(run())


async def test_deltas_that_come_close_together_travel_together() -> None:
    channel = EventChannel(flush_seconds=60.0, max_events=100)
    for text in ("家", "人", "们"):
        channel.emit(ScriptDelta(0, text))
    channel.emit(STAGE)
    channel.emit(ScriptDelta(0, "好"))
    channel.emit(ScriptDelta(1, "嗨"))
    channel.close()
    assert [event.event for event in channel.events] == [
        ScriptDelta(0, "家"),  # the first goes at once
        ScriptDelta(0, "人们"),
        STAGE,
        ScriptDelta(0, "好"),
        ScriptDelta(1, "嗨"),
    ]


async def test_held_deltas_go_out_when_the_time_is_up_without_another_event() -> None:
    flush = 0.02
    loop = asyncio.get_running_loop()
    await asyncio.sleep(next_pulse(loop.time(), flush) - loop.time())
    channel = EventChannel(flush_seconds=flush, max_events=100)
    listener = channel.subscribe()
    channel.emit(ScriptDelta(0, "一"))
    channel.emit(ScriptDelta(0, "二"))
    channel.emit(ScriptDelta(0, "三"))
    async with asyncio.timeout(2):
        got = [(await anext(listener)).event, (await anext(listener)).event]
    await listener.aclose()
    assert got == [ScriptDelta(0, "一"), ScriptDelta(0, "二三")]


async def test_all_channels_send_what_they_hold_at_the_same_moment() -> None:
    flush = 0.05
    loop = asyncio.get_running_loop()
    await asyncio.sleep(next_pulse(loop.time(), flush) - loop.time() + 0.005)
    channels = [EventChannel(flush_seconds=flush, max_events=100) for _ in range(2)]
    for channel in channels:
        channel.emit(ScriptDelta(0, "一"))
        channel.emit(ScriptDelta(0, "二"))
        await asyncio.sleep(0.01)
    async with asyncio.timeout(2):
        while len(channels[0].events) < 2:
            await asyncio.sleep(0)
    assert len(channels[1].events) == 2


async def test_the_number_of_kept_events_stays_bounded_however_long_the_text() -> None:
    channel = EventChannel(flush_seconds=0.0, max_events=16)
    for _ in range(5_000):
        channel.emit(ScriptDelta(0, "话"))
    channel.close()
    assert len(channel.events) <= 16 + 2
    assert len(shown_texts(list(channel.events))[0]) == 5_000


async def test_a_slow_listener_holds_nobody_up_and_misses_nothing() -> None:
    channel = EventChannel(flush_seconds=0.0, max_events=10_000)
    slow = channel.subscribe()
    channel.emit(STAGE)
    assert (await anext(slow)).sequence == 1
    quick = [asyncio.create_task(heard(channel)) for _ in range(30)]
    await asyncio.sleep(0)
    for number in range(200):
        channel.emit(ScriptDelta(0, str(number)))
    channel.emit(RESULT)
    channel.close()
    everything = await asyncio.gather(*quick)
    assert all(one == everything[0] for one in everything)
    assert [event async for event in slow] == everything[0][1:]


async def test_listeners_hear_everything_before_the_error_the_channel_ends_with() -> None:
    channel = EventChannel(flush_seconds=0.0, max_events=100)
    waiting = asyncio.create_task(channel.outcome())
    channel.emit(STAGE)
    channel.close(StoreUnavailableError("away"))
    channel.close()  # the first end counts
    listener = channel.subscribe()
    assert (await anext(listener)).event == STAGE
    with pytest.raises(StoreUnavailableError):
        await anext(listener)
    with pytest.raises(StoreUnavailableError):
        await waiting


async def test_a_listener_that_leaves_takes_nothing_from_the_others() -> None:
    channel = EventChannel(flush_seconds=0.0, max_events=100)
    leaver = asyncio.create_task(heard(channel))
    stayer = asyncio.create_task(heard(channel))
    await asyncio.sleep(0)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    channel.emit(RESULT)
    channel.close()
    assert [event.event for event in await stayer] == [RESULT]
    assert await channel.outcome() == RESULT
