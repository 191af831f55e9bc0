"""One upstream call as the router sees it: it settles the breaker's permit, tells the observer how it went
and writes what it cost into the request's ledger. Which backend is called, and what follows, is the router's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

from scriptgen.domain.generation import Usage
from scriptgen.domain.observer import Observer

from .breaker import Permit
from .errors import FirstTokenTimeoutError, LLMCallError, TruncatedStreamError
from .estimate import estimate_tokens
from .protocol import BackendChosen, Completed, CompletionRequest, LLMBackend, TextDelta

T = TypeVar("T")

#: A backend that was given less time than this for its first text is not blamed for missing it.
_FAIR_WAIT = 2.0


@dataclass(slots=True)
class Ledger:
    """What one request has cost over all its upstream calls. `spent` is that of calls whose text is void."""

    attempts: int = 0
    spent: Usage = field(default_factory=Usage)
    outcomes: list[str] = field(default_factory=list)
    retry_after: float = 0.0
    upstream_seconds: float = 0.0

    async def waiting(self, step: Awaitable[T]) -> T:
        """Await an upstream and count the time."""
        clock = asyncio.get_running_loop().time
        start = clock()
        try:
            return await step
        finally:
            self.upstream_seconds += clock() - start


class Attempt:
    """Open it, take `next()` until Completed, close it. An attempt that fails to open closes itself."""

    def __init__(
        self,
        backend: LLMBackend,
        permit: Permit,
        request: CompletionRequest,
        ledger: Ledger,
        observer: Observer,
    ) -> None:
        self.chosen = BackendChosen(backend.name, "")
        self._events = backend.stream(request)
        self._permit = permit
        self._request = request
        self._ledger = ledger
        self._observer = observer
        self._held: TextDelta | Completed | None = None
        self._text: list[str] = []
        self._clock = asyncio.get_running_loop().time
        self._settled = False
        ledger.attempts += 1

    async def open(self, until: float | None = None) -> None:
        """Run to the first text, by `until` on the loop's clock. Raises LLMCallError."""
        start = self._clock()
        try:
            if until is None:
                self._held = await self._advance()
            else:
                async with asyncio.timeout_at(until):
                    self._held = await self._advance()
        except TimeoutError:
            late = FirstTokenTimeoutError()
            late.backend_fault = self._clock() - start >= _FAIR_WAIT
            await self._fail(late)
            raise late from None
        except BaseException:
            await self.aclose()
            raise

    async def next(self) -> TextDelta | Completed:
        """The next text or the end; the wait counts as the upstream's time. Raises LLMCallError."""
        if self._held is not None:
            held, self._held = self._held, None
            return held
        start = self._clock()
        try:
            return await self._advance()
        finally:
            self._ledger.upstream_seconds += self._clock() - start

    async def _advance(self) -> TextDelta | Completed:
        try:
            async for event in self._events:
                if isinstance(event, TextDelta):
                    self._text.append(event.text)
                    return event
                if isinstance(event, Completed):
                    self._succeed(event)
                    return event
                if isinstance(event, BackendChosen):
                    self.chosen = event
            raise TruncatedStreamError("the backend's iterator ended without Completed")
        except LLMCallError as error:
            await self._fail(error)
            raise

    async def aclose(self) -> None:
        """Close the upstream. Without a verdict so far, the call was cancelled."""
        await self._events.aclose()
        if not self._settled:
            self._permit.abandoned()
            self._settle("cancelled", self._usage_of_text())

    def _succeed(self, event: Completed) -> None:
        self._permit.succeeded()
        self._report("ok", event.usage)

    async def _fail(self, error: LLMCallError) -> None:
        await self._events.aclose()
        if error.backend_fault:
            self._permit.failed(error.retry_after)
        else:
            self._permit.abandoned()
        self._ledger.retry_after = max(self._ledger.retry_after, error.retry_after or 0.0)
        self._settle(error.outcome, error.usage if error.usage.total else self._usage_of_text())

    def _settle(self, outcome: str, usage: Usage) -> None:
        """The call's text is void, its cost is not."""
        if usage.total:
            self._ledger.spent += usage
        self._ledger.outcomes.append(f"{self.chosen.backend}:{outcome}")
        self._report(outcome, usage)

    def _report(self, outcome: str, usage: Usage) -> None:
        self._settled = True
        backend = self.chosen.backend
        self._observer.llm_request(backend, outcome)
        if usage.total:
            self._observer.llm_tokens(backend, "prompt", usage.prompt_tokens)
            self._observer.llm_tokens(backend, "completion", usage.completion_tokens)

    def _usage_of_text(self) -> Usage:
        if not self._text:
            return Usage()
        prompt = sum(estimate_tokens(message.content) for message in self._request.messages)
        return Usage(prompt, estimate_tokens("".join(self._text)), estimated=True)
