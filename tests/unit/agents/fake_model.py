"""A scripted stand-in for the router: each call plays the next prepared list of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from scriptgen.domain.generation import Usage
from scriptgen.llm.protocol import (
    BackendChosen,
    BackendSwitched,
    Completed,
    Completion,
    CompletionEvent,
    CompletionRequest,
    TextDelta,
)

Step = CompletionEvent | Exception | None


def text(*pieces: str) -> list[Step]:
    """A whole answer in pieces."""
    return [BackendChosen("vllm", "qwen"), *map(TextDelta, pieces), done()]


def done(finish_reason: str = "stop", backend: str = "vllm") -> Completed:
    return Completed(finish_reason, Usage(100, 50), backend, "qwen", attempts=1, upstream_seconds=0.5)


class FakeModel:
    """`None` among the steps waits for ever; an exception is raised. `closed` counts closed streams that had
    not come to their end, `requests` keeps what was asked.
    """

    has_model = True

    def __init__(self, *calls: Sequence[Step]) -> None:
        self._calls = list(calls)
        self.requests: list[CompletionRequest] = []
        self.closed = 0
        self.waiting = asyncio.Event()

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        self.requests.append(request)
        steps = self._calls.pop(0)
        ended = False
        try:
            for step in steps:
                if step is None:
                    self.waiting.set()
                    await asyncio.Event().wait()
                elif isinstance(step, Exception):
                    raise step
                else:
                    ended = isinstance(step, Completed)
                    yield step
        finally:
            if not ended:
                self.closed += 1

    async def complete(self, request: CompletionRequest) -> Completion:
        parts: list[str] = []
        completed: Completed | None = None
        async for event in self.stream(request):
            match event:
                case TextDelta(piece):
                    parts.append(piece)
                case BackendSwitched():
                    parts.clear()
                case Completed():
                    completed = event
        assert completed is not None
        return Completion("".join(parts), completed)
