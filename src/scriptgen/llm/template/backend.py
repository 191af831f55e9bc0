"""The template writer as a model backend: streams composed or edited scripts in clause-sized pieces.

It answers only requests that carry a writing task; prompts are not read.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from typing import Final

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.generation import Usage
from scriptgen.domain.writing import TaskKind, WritingTask
from scriptgen.llm.errors import UnsupportedRequestError
from scriptgen.llm.estimate import estimate_tokens
from scriptgen.llm.protocol import BackendChosen, Completed, CompletionEvent, CompletionRequest, TextDelta

from .composer import compose
from .edits import edit
from .outcome import EditOutcome

MODEL: Final = "template-v1"
_CLAUSE = re.compile(r"[^，。！？；、\n]*[，。！？；、\n]+|[^，。！？；、\n]+")


class TemplateBackend:
    """`pace` is the pause between pieces in seconds; 0 streams without waiting."""

    def __init__(self, name: str = "template", pace: float = 0.0) -> None:
        self.name = name
        self._pace = pace

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """Raises `UnsupportedRequestError` for a request without a task."""
        if request.task is None:
            raise UnsupportedRequestError("The template writer answers writing tasks only.")
        started = time.perf_counter()
        written = write(request.task)
        spent = time.perf_counter() - started
        yield BackendChosen(self.name, MODEL)
        for index, piece in enumerate(_CLAUSE.findall(written.text)):
            if index and self._pace > 0:
                await asyncio.sleep(self._pace)
            yield TextDelta(piece)
        prompt = sum(estimate_tokens(m.content) for m in request.messages)
        usage = Usage(prompt_tokens=prompt, completion_tokens=estimate_tokens(written.text), estimated=True)
        yield Completed(
            "stop",
            usage,
            self.name,
            MODEL,
            upstream_seconds=spent,
            warnings=(written.warning,) if written.warning else (),
        )

    async def status(self) -> ComponentStatus:
        return ComponentStatus("llm.template", ComponentState.OK, self.name, {"model": MODEL})

    async def close(self) -> None:
        """Nothing is held open."""


def write(task: WritingTask) -> EditOutcome:
    """The whole text for a task, whatever its kind, and what could not be done of it."""
    if task.fixed_text:
        return EditOutcome(task.fixed_text, changed=True)
    if task.kind not in {TaskKind.COMPOSE, TaskKind.CONTINUE}:
        edited = edit(task)
        if edited.text:
            return edited
    return EditOutcome(compose(task), changed=True)
