"""Answers a finished or running `request_id` from what is there, without quota, lock or model call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, ClassVar, Protocol

from scriptgen.domain.generation import GenerationRequest, GenerationResult, SequencedEvent
from scriptgen.domain.identity import Principal

from .call import Call
from .chain import Interceptor
from .methods import GENERATE, GENERATING


class Replayer(Protocol):
    """The orchestrator's view of known requests."""

    async def find(
        self, request: GenerationRequest, principal: Principal, *, resume_after: int
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """The events after `resume_after` of a known request, or None when it has to be run. Raises domain
        errors (REQUEST_ID_REUSED, …).
        """


class ReplayInterceptor(Interceptor):
    name: ClassVar[str] = "replay"

    def __init__(
        self,
        replayer: Replayer,
        *,
        unary_message: Callable[[GenerationResult], Any],
        stream_message: Callable[[SequencedEvent], Any],
    ) -> None:
        """The two callables make a GenerateResponse and a GenerateStreamResponse."""
        self._replayer = replayer
        self._unary_message = unary_message
        self._stream_message = stream_message

    def applies_to(self, method: str) -> bool:
        return method in GENERATING

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        if call.generation is None:
            raise RuntimeError("validation has not run")
        resume_after = 0 if call.method == GENERATE else call.resume_after
        events = await self._replayer.find(call.generation, call.principal, resume_after=resume_after)
        if events is None:
            yield
            return
        # Closed here and not by the answer, which may never be started when the caller is gone.
        async with aclosing(events):
            call.answer = self._last(events) if call.method == GENERATE else self._all(events)
            yield

    async def _last(self, events: AsyncIterator[SequencedEvent]) -> AsyncGenerator[Any, None]:
        async for item in events:
            if isinstance(item.event, GenerationResult):
                yield self._unary_message(item.event)
                return
        raise RuntimeError("a replayed generation ended without a result")

    async def _all(self, events: AsyncIterator[SequencedEvent]) -> AsyncGenerator[Any, None]:
        async for item in events:
            yield self._stream_message(item)
