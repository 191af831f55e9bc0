"""Answers a finished or running `request_id` from what is there, without quota, lock or model call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, ClassVar, Protocol

from scriptgen.domain.generation import GenerationRequest, GenerationResult, SequencedEvent
from scriptgen.domain.identity import Principal

from .call import Call
from .chain import Interceptor
from .methods import GENERATE, GENERATING


class Replayer(Protocol):
    """The orchestrator's view of known requests."""

    async def find(
        self,
        request: GenerationRequest,
        principal: Principal,
        *,
        resume_after: int,
        deadline: float | None = None,
    ) -> AsyncGenerator[SequencedEvent, None] | None:
        """The events after `resume_after` of a known request, or None when it has to be run. Raises domain
        errors (REQUEST_ID_REUSED, …). `deadline` is the caller's, on the event loop's clock.
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

    async def enter(self, call: Call) -> None:
        if call.generation is None:
            raise RuntimeError("validation has not run")
        resume_after = 0 if call.method == GENERATE else call.resume_after
        events = await self._replayer.find(
            call.generation, call.principal, resume_after=resume_after, deadline=call.deadline
        )
        if events is not None:
            call.replayed = events
            call.answer = self._last(events) if call.method == GENERATE else self._all(events)

    async def leave(self, call: Call, error: BaseException | None) -> None:  # noqa: ARG002
        # Closed here and not by the answer, which may never be started when the caller is gone.
        if call.replayed is not None:
            await call.replayed.aclose()

    async def _last(self, events: AsyncIterator[SequencedEvent]) -> AsyncGenerator[Any, None]:
        async for item in events:
            if isinstance(item.event, GenerationResult):
                yield self._unary_message(item.event)
                return
        raise RuntimeError("a replayed generation ended without a result")

    async def _all(self, events: AsyncIterator[SequencedEvent]) -> AsyncGenerator[Any, None]:
        async for item in events:
            yield self._stream_message(item)
