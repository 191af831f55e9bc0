"""Asks the model a free question of the operator. What is known by rule is answered without it (skills)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import msgspec

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.domain.conversation import ConversationContext
from scriptgen.domain.errors import DeadlineExceededError, LLMUnavailableError
from scriptgen.domain.generation import Usage
from scriptgen.domain.quality import Severity
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.protocol import CompletionRequest
from scriptgen.llm.protocol import LanguageModel as LanguageModel  # noqa: PLC0414  # skills name it too

from .cleaning import clean
from .prompt import answer_messages
from .sentences import trim_unfinished, unfinished_tail, visible_length

_MAX_TOKENS: Final = 800
_MAX_CHARACTERS: Final = 300
_MIN_CHARACTERS: Final = 6
_TEMPERATURE: Final = 0.4


class Answer(msgspec.Struct, frozen=True):
    """`text` is "" when the model gave nothing that may be shown; `usage` was spent either way."""

    text: str
    usage: Usage
    backend: str = ""
    model: str = ""
    attempts: int = 0


class AnswerAgent:
    """`timeout` in seconds bounds a question beyond the caller's own deadline: an answer is a side dish."""

    def __init__(
        self,
        model: LanguageModel,
        checker: ComplianceChecker,
        *,
        canary: str,
        timeout: float = 10.0,
        count_tokens: Callable[[str], int] = len,
    ) -> None:
        self._model = model
        self._checker = checker
        self._canary = canary
        self._timeout = timeout
        self._count_tokens = count_tokens

    @property
    def available(self) -> bool:
        return self._model.has_model

    async def answer(
        self,
        question: str,
        context: ConversationContext,
        *,
        category: str = "",
        deadline: float | None = None,
    ) -> Answer:
        """The model's answer as plain text of at most 300 characters, reviewed like a script. `deadline` is
        on the loop's clock. A model that cannot answer in time gives an empty text, not an error.
        """
        bound = asyncio.get_running_loop().time() + self._timeout
        if deadline is not None:
            bound = min(bound, deadline)
        request = CompletionRequest(
            messages=answer_messages(question, context, self._canary),
            category=category,
            temperature=_TEMPERATURE,
            max_tokens=_MAX_TOKENS,
            deadline=bound,
        )
        try:
            async with asyncio.timeout_at(bound):
                completion = await self._model.complete(request)
        except (LLMUnavailableError, DeadlineExceededError, TimeoutError):
            prompt = sum(self._count_tokens(message.content) for message in request.messages)
            return Answer("", Usage(prompt, 0, estimated=True))
        done = completion.completed
        return Answer(
            self._presentable(completion.text, question, category),
            done.usage,
            done.backend,
            done.model,
            done.attempts,
        )

    def _presentable(self, raw: str, question: str, category: str) -> str:
        if self._canary and self._canary in raw:
            return ""
        text = clean(raw, WritingTask(TaskKind.COMPOSE, question)).replace("\n", "")
        if len(text) > _MAX_CHARACTERS:
            text = trim_unfinished(text[:_MAX_CHARACTERS])
        if unfinished_tail(text):
            text = trim_unfinished(text)
        if visible_length(text) < _MIN_CHARACTERS:
            return ""
        issues = self._checker.review(text, category=category)
        return "" if any(issue.severity is Severity.BLOCK for issue in issues) else text
