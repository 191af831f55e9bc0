"""What a model backend is asked and what it answers with."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Protocol

import msgspec

from scriptgen.domain.component import ComponentStatus
from scriptgen.domain.generation import Usage
from scriptgen.domain.writing import WritingTask


class ChatMessage(msgspec.Struct, frozen=True):
    role: str  # system, user or assistant
    content: str


class CompletionRequest(msgspec.Struct, frozen=True):
    """One call. `task` lets the template backend write without reading a prompt; it is None for calls that
    only a model can answer (intent recognition, free questions). `deadline` is on the event loop's clock
    (`loop.time()`), None for no bound but the backend's own. `json_schema` asks for constrained output.
    `category` chooses the model or adapter. `shown_at` tells when the reader last got text, on the same
    clock, or the model last wrote what is for no reader; -inf while the first text is waited for. Text after
    that may come a few words at a time.
    """

    messages: tuple[ChatMessage, ...]
    task: WritingTask | None = None
    category: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    json_schema: Mapping[str, Any] | None = None
    deadline: float | None = None
    shown_at: Callable[[], float] | None = None


class BackendChosen(msgspec.Struct, frozen=True):
    """A backend's stream has begun: what follows is written by it alone."""

    backend: str
    model: str


class TextDelta(msgspec.Struct, frozen=True):
    """New text, everything that was there at one read. Never empty."""

    text: str


class BackendSwitched(msgspec.Struct, frozen=True):
    """All text so far is void: `failed` gave up because of `reason` and another backend begins."""

    failed: str
    reason: str


class Completed(msgspec.Struct, frozen=True):
    """The stream ended as it should. `finish_reason` is "stop" or "length". `warnings` are sentences for the
    operator about what of the request was not done.
    """

    finish_reason: str
    usage: Usage
    backend: str
    model: str
    attempts: int = 1
    upstream_seconds: float = 0.0
    warnings: tuple[str, ...] = ()


CompletionEvent = BackendChosen | TextDelta | BackendSwitched | Completed


class Completion(msgspec.Struct, frozen=True):
    """A whole answer, for callers that do not stream."""

    text: str
    completed: Completed
    switched: tuple[BackendSwitched, ...] = msgspec.field(default_factory=tuple)


class LLMBackend(Protocol):
    """One upstream. `stream` yields BackendChosen, TextDelta…, Completed, or raises an `LLMCallError`
    (llm/errors.py). Closing the iterator closes the upstream connection at once.
    """

    name: str

    def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]: ...
    async def status(self) -> ComponentStatus: ...
    async def close(self) -> None: ...


class LanguageModel(Protocol):
    """What agents see: the router over all backends. Raises `LLMUnavailableError` when every backend failed,
    `DeadlineExceededError` when the request's deadline passed first, and never splices two backends' text
    (BackendSwitched comes between them).
    """

    def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]: ...

    async def complete(self, request: CompletionRequest) -> Completion:
        """Collects `stream`; text before a switch is dropped."""

    @property
    def has_model(self) -> bool:
        """False when only the template writer is configured: calls without a task cannot be answered."""
