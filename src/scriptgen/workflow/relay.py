"""Streams across instances: publishes what a generation sends here, and follows one that runs elsewhere.

Everything is best effort. A generation never waits for its publisher, and whoever cannot follow is told to
come back: the checkpoint log then decides whether there is an answer or something to resume.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, Protocol

from msgspec.structs import replace

from scriptgen.domain.errors import DrainingError, StoreUnavailableError
from scriptgen.domain.generation import GenerationResult, SequencedEvent
from scriptgen.domain.session import SessionKey
from scriptgen.domain.vocabulary import GenerationStatus
from scriptgen.stores.protocols import EventRelay, RelayBatch, RelayedPart, RelayEnd

from .channel import EventChannel

#: A generation that published nothing for so long is taken for dead; a sign of life comes every second.
SILENT_SECONDS: Final = 3.0
#: The same once the log says that it has finished: its end is then on its way, or will not come.
_SILENT_AT_END_SECONDS: Final = 1.25
_BEAT_SECONDS: Final = 1.0
#: Pause between two batches: short while somebody follows, else only so short that little is missing.
_FOLLOWED_SECONDS: Final = 0.05
_UNFOLLOWED_SECONDS: Final = 0.25
#: Pause after a failure, and how long the end is tried to be published; then silence tells it.
_RETRY_SECONDS: Final = 0.5
_END_SECONDS: Final = 5.0
_BATCH_EVENTS: Final = 512
_POLL_SECONDS: Final = (0.05, 0.25)


class Listened(Protocol):
    """The audience of a generation, which runs on while somebody listens."""

    channel: EventChannel

    def join(self) -> None: ...
    def leave(self, grace_seconds: float) -> None: ...


class Publication:
    """One run's events on their way to the relay. The channel is the buffer, so there is no second one."""

    def __init__(
        self, relay: EventRelay, key: SessionKey, request_id: str, *, run: int, fingerprint: str
    ) -> None:
        self._relay = relay
        self._key = key
        self._request_id = request_id
        self._run = run
        self._fingerprint = fingerprint
        self._sent = 0  # events of the channel
        self._begun = False

    async def keep(self, audience: Listened, grace_seconds: float) -> None:
        """Publish until the channel has closed, and listen for those who follow elsewhere."""
        channel = audience.channel
        loop = asyncio.get_running_loop()
        followed = False
        beat = float("-inf")
        give_up = float("inf")
        try:
            while loop.time() < give_up:
                closed = channel.closed
                if closed:
                    give_up = min(give_up, loop.time() + _END_SECONDS)
                events = channel.events[self._sent : self._sent + _BATCH_EVENTS]
                complete = closed and self._sent + len(events) == len(channel.events)
                if events or complete or loop.time() - beat >= _BEAT_SECONDS:
                    try:
                        since = await self._publish(channel, events, ended=complete)
                    except StoreUnavailableError:
                        await asyncio.sleep(_RETRY_SECONDS)
                        continue
                    if since is None or complete:
                        return
                    beat = loop.time()
                    if followed is not (since < SILENT_SECONDS):
                        followed = not followed
                        audience.join() if followed else audience.leave(grace_seconds)
                if len(events) < _BATCH_EVENTS:
                    await asyncio.sleep(_FOLLOWED_SECONDS if followed else _UNFOLLOWED_SECONDS)
        finally:
            if followed:
                audience.leave(grace_seconds)

    async def _publish(
        self, channel: EventChannel, events: tuple[SequencedEvent, ...], *, ended: bool
    ) -> float | None:
        """Seconds since somebody read; None when there is nothing left to do."""
        batch = RelayBatch(
            self._run,
            self._fingerprint,
            next_sequence=channel.last_sequence - len(channel.events) + self._sent + 1,
            events=events,
            begins=not self._begun,
            ended=_end(channel) if ended else None,
        )
        try:
            since = await self._relay.publish(self._key, self._request_id, batch)
        except LookupError:  # the relay lost its memory; the channel still has everything
            self._sent, self._begun = 0, False
            raise StoreUnavailableError("The relay lost what was published.") from None
        self._sent += len(events)
        self._begun = True
        return since


class Follower:
    """Finds and follows generations of other instances, at most `limit` at a time."""

    def __init__(self, relay: EventRelay, *, limit: int = 64) -> None:
        self._relay = relay
        self._limit = limit
        self._following = 0

    async def find(
        self, key: SessionKey, request_id: str, fingerprint: str, after: int, *, finished: bool
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """The events after `after`, exactly as they were sent; None when the relay cannot give them all.
        `finished` is what the log says of the request.
        """
        if self._following >= self._limit:
            return None
        try:
            part = await self._relay.read(key, request_id, after=after)
        except StoreUnavailableError:
            return None
        if part is None or part.fingerprint != fingerprint:
            return None
        patience = _SILENT_AT_END_SECONDS if finished else SILENT_SECONDS
        if part.ended is None and part.silent_seconds > patience:
            return None
        if not _usable(part, after):
            return None
        return self._follow(key, request_id, part, after)

    async def _follow(
        self, key: SessionKey, request_id: str, part: RelayedPart, after: int
    ) -> AsyncGenerator[SequencedEvent, None]:
        self._following += 1
        try:
            run, pause = part.run, _POLL_SECONDS[0]
            while True:
                for event in part.events:
                    if event.sequence != after + 1:
                        raise _lost()
                    after = event.sequence
                    if isinstance(event.event, GenerationResult):
                        yield SequencedEvent(after, replace(event.event, replayed=True))
                        return
                    yield event
                if part.last <= after:
                    if part.ended or part.silent_seconds > SILENT_SECONDS:
                        raise _lost()
                    pause = _POLL_SECONDS[0] if part.events else min(pause * 1.3, _POLL_SECONDS[1])
                    await asyncio.sleep(pause)
                part = await self._next(key, request_id, run, after)
        finally:
            self._following -= 1

    async def _next(self, key: SessionKey, request_id: str, run: int, after: int) -> RelayedPart:
        """What came since; a relay that is away is asked again for a while."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + SILENT_SECONDS
        while True:
            try:
                part = await self._relay.read(key, request_id, after=after)
            except StoreUnavailableError:
                if loop.time() >= give_up:
                    raise
                await asyncio.sleep(_POLL_SECONDS[1])
                continue
            if part is None or part.run != run:
                raise _lost()
            return part


def _end(channel: EventChannel) -> RelayEnd:
    """Nobody who comes later wants the end of what others stopped."""
    result = channel.result
    stands = result is not None and result.status is not GenerationStatus.CANCELLED
    return RelayEnd.RESULT if stands else RelayEnd.STOPPED


def _usable(part: RelayedPart, after: int) -> bool:
    """Whether everything after `after` is there or may yet come, up to a result that stands."""
    if part.ended is RelayEnd.STOPPED:
        return False
    if part.events:
        return part.events[0].sequence == after + 1
    return part.ended is None and part.first <= after + 1 and part.last <= after


def _lost() -> DrainingError:
    return DrainingError(
        "The instance that was writing this is gone; the same request_id goes on with it.", retry_after=1.0
    )
