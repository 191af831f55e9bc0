"""Who listens to a generation: what each has yet to hear, and what happens when the last one goes.

It neither writes nor stops anything itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from scriptgen.domain.generation import ResetReason, ScriptReset, SequencedEvent

from .channel import EventChannel


class Audience:
    """The listeners of one channel, one `leave` for each `join`."""

    def __init__(
        self, channel: EventChannel, *, drafts: Callable[[], int], deserted: Callable[[], None]
    ) -> None:
        """`drafts` tells how many scripts are being written. `deserted` is called when the last listener has
        left, his grace is over, and the channel is still open.
        """
        self.channel = channel
        self._drafts = drafts
        self._deserted = deserted
        self._listeners = 0

    def ended(self) -> None:
        """The generation is over and need not be kept for those who still come to hear it."""
        drafts = self._drafts()
        self._drafts, self._deserted = lambda: drafts, _nobody

    def join(self) -> None:
        self._listeners += 1

    def leave(self, grace_seconds: float) -> None:
        """A listener is gone; another one may come within the grace."""
        self._listeners -= 1
        if grace_seconds <= 0:
            self._look()
        elif not self._listeners and not self.channel.closed:
            asyncio.get_running_loop().call_later(grace_seconds, self._look)

    def _look(self) -> None:
        if not self._listeners and not self.channel.closed:
            self._deserted()

    def events(self, after: int) -> AsyncGenerator[SequencedEvent, None]:
        """What follows sequence `after`. Who saw pieces of another stream, more or other ones than this
        channel can count on from, gets all of it under numbers of its own.
        """
        channel = self.channel
        if channel.first_sequence - 1 <= after <= channel.last_sequence:
            return channel.subscribe(after)
        return self._renumbered(after)

    async def _renumbered(self, after: int) -> AsyncGenerator[SequencedEvent, None]:
        sequence = after
        if after:
            for index in range(self._drafts()):
                sequence += 1
                yield SequencedEvent(sequence, ScriptReset(index, ResetReason.GENERATION_RESUMED))
        async with aclosing(self.channel.subscribe()) as events:
            async for event in events:
                sequence += 1
                yield SequencedEvent(sequence, event.event)


def _nobody() -> None:
    """Who is told that the last listener of an ended generation has left."""
