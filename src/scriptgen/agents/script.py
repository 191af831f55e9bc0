"""Writes one script: calls the model, cleans and guards its stream, and says when shown text became void.

It decides nothing about retries after a finished review or about the template writer: that is the workflow's.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.guard import Screened
from scriptgen.domain.generation import GenerationParameters, ResetReason, Usage
from scriptgen.domain.observer import Observer
from scriptgen.domain.quality import QualityIssue
from scriptgen.domain.scenes import scene_for
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.protocol import (
    BackendChosen,
    BackendSwitched,
    ChatMessage,
    Completed,
    CompletionRequest,
    LanguageModel,
    TextDelta,
)

from .draft import Draft
from .prompt import build_messages
from .write_events import Text, Withdrawn, WriteEvent, Written

__all__ = ["Screened", "ScriptAgent", "Text", "Withdrawn", "WriteEvent", "Written", "feedback_line"]

#: How freely a kind of task is sampled when the caller did not say: a small edit must not wander.
_TEMPERATURES: Final = {
    TaskKind.COMPOSE: 0.85,
    TaskKind.CONTINUE: 0.95,
    TaskKind.MODIFY: 0.2,
    TaskKind.OPTIMIZE: 0.7,
    TaskKind.TRANSLATE: 0.5,
}
#: Output bound: a character is at most about two tokens, and a thinking model needs room before it writes.
_TOKENS_PER_CHARACTER: Final = 2
_TOKEN_RESERVE: Final = 768


class ScriptAgent:
    """`canary` is a secret mark in the system prompt; an output that holds it leaks the prompt.

    `max_guard_retries` is how often a blocked stream is called again, with the reason as feedback.
    `count_tokens` estimates usage of calls that were broken off before the upstream could report it.
    """

    def __init__(
        self,
        model: LanguageModel,
        checker: ComplianceChecker,
        *,
        observer: Observer,
        canary: str,
        max_guard_retries: int = 1,
        count_tokens: Callable[[str], int] = len,
    ) -> None:
        self._model = model
        self._checker = checker
        self._observer = observer
        self._canary = canary
        self._max_guard_retries = max_guard_retries
        self._count_tokens = count_tokens

    async def write(
        self, task: WritingTask, parameters: GenerationParameters, *, deadline: float | None
    ) -> AsyncGenerator[WriteEvent, None]:
        """Yields Text and Withdrawn as they come and Written last. `deadline` is on the loop's clock.

        Closing the iterator closes the upstream at once. Raises what the model raises
        (`LLMUnavailableError` when no backend answered).
        """
        if task.fixed_text and task.feedback:
            # The exact edit did not pass: let a writer find another way to do what was asked.
            task = replace(task, fixed_text="")
        if task.fixed_text:
            for fixed in self._passed_on(task):
                yield fixed
            return
        spent = Written(text="", complete=False)
        for retries_left in range(self._max_guard_retries, -1, -1):
            call = _Call(self._draft(task))
            request = self._request(task, parameters, deadline, call)
            async with aclosing(self._stream(request, task, call)) as events:
                async for event in events:
                    call.passes(event)
                    yield event
            draft, spent = call.draft, self._charge(spent, request.messages, call)
            self._observer.guard_holdback(draft.longest_holdback)
            if draft.blocked is None:
                whole = call.completed is not None and draft.whole and bool(draft.shown)
                yield replace(
                    spent,
                    text=draft.shown,
                    complete=whole,
                    repairs=tuple(draft.repairs),
                    issues=(),
                    screened=draft.screened,
                )
                return
            self._observer.quality_issue(draft.blocked.type, draft.blocked.severity.value)
            if draft.shown:
                yield Withdrawn(ResetReason.QUALITY_RETRY, draft.blocked.message)
            spent = replace(spent, issues=(*spent.issues, draft.blocked))
            if retries_left:
                self._observer.quality_retry()
                task = replace(task, feedback=(*task.feedback, feedback_line(draft.blocked)))
        yield spent

    async def _stream(
        self, request: CompletionRequest, task: WritingTask, call: _Call
    ) -> AsyncGenerator[Text | Withdrawn, None]:
        """One call's text and withdrawals; `call` says how it ended. Ends early when something blocks."""
        async with aclosing(self._model.stream(request)) as events:
            async for event in events:
                match event:
                    case TextDelta(text):
                        for outcome in call.feed(text):
                            yield outcome
                    case BackendSwitched(failed, _):
                        if call.draft.shown:
                            detail = f"{failed} 中断了，换一个模型重新写。"
                            yield Withdrawn(ResetReason.BACKEND_SWITCHED, detail)
                        call.draft = self._draft(task)
                    case BackendChosen():
                        call.chosen = event
                    case Completed():
                        call.completed = event
                        for outcome in call.draft.finish(cut_off=event.finish_reason == "length"):
                            yield outcome
                        return
                if call.draft.blocked:
                    return

    def _passed_on(self, task: WritingTask) -> list[WriteEvent]:
        """A finished text still passes the guard: an edit may bring a forbidden word with it."""
        draft = self._draft(task)
        events = draft.take_whole(task.fixed_text)
        if draft.blocked is not None:
            return [Written("", complete=False, issues=(draft.blocked,))]
        written = Written(
            draft.shown,
            complete=True,
            finish_reason="stop",
            repairs=tuple(draft.repairs),
            screened=draft.screened,
        )
        return [*events, written]

    def _draft(self, task: WritingTask) -> Draft:
        return Draft(task, self._checker, self._canary)

    def _request(
        self, task: WritingTask, parameters: GenerationParameters, deadline: float | None, call: _Call
    ) -> CompletionRequest:
        temperature = parameters.temperature
        return CompletionRequest(
            messages=build_messages(task, self._canary),
            task=task,
            category=task.category,
            temperature=_TEMPERATURES[task.kind] if temperature is None else temperature,
            top_p=parameters.top_p,
            max_tokens=parameters.max_tokens or _token_bound(task),
            deadline=deadline,
            shown_at=lambda: call.shown_at,
        )

    def _charge(self, spent: Written, messages: tuple[ChatMessage, ...], call: _Call) -> Written:
        done = call.completed
        if done is None:
            prompt = sum(self._count_tokens(message.content) for message in messages)
            usage = Usage(prompt, self._count_tokens("".join(call.received)), estimated=True)
            done = Completed("", usage, call.chosen.backend, call.chosen.model)
        return replace(
            spent,
            usage=spent.usage + done.usage,
            backend=done.backend,
            model=done.model,
            attempts=spent.attempts + done.attempts,
            finish_reason=done.finish_reason,
            upstream_seconds=spent.upstream_seconds + done.upstream_seconds,
            warnings=done.warnings,
        )


@dataclass(slots=True)
class _Call:
    """One call of the model: its text on the way and how it ended. `completed` stays None when it was broken
    off because something in it blocks. `shown_at` is as `CompletionRequest` tells it.
    """

    draft: Draft
    received: list[str] = field(default_factory=list)
    chosen: BackendChosen = field(default_factory=lambda: BackendChosen("", ""))
    completed: Completed | None = None
    shown_at: float = -math.inf
    clock: Callable[[], float] = field(default_factory=lambda: asyncio.get_running_loop().time)

    def feed(self, text: str) -> list[Text | Withdrawn]:
        self.received.append(text)
        outcomes = self.draft.feed(text)
        if not outcomes and self.draft.dropping:
            self.shown_at = self.clock()  # nobody waits for what is left out
        return outcomes

    def passes(self, event: Text | Withdrawn) -> None:
        self.shown_at = self.clock() if isinstance(event, Text) else -math.inf


def feedback_line(issue: QualityIssue) -> str:
    """An issue as the next attempt is told about it."""
    quoted = f"“{issue.span}”：" if issue.span else ""
    advice = f"（{issue.suggestion}）" if issue.suggestion else ""
    return f"{quoted}{issue.message}{advice}"


def _token_bound(task: WritingTask) -> int:
    length = task.target_characters or scene_for(task.sub_scenario, task.scenario).default_characters
    return max(length, len(task.source_text)) * _TOKENS_PER_CHARACTER + _TOKEN_RESERVE
