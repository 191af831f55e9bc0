"""Writes one script: passes the writer's events on to the stream and gathers what it cost."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing

import msgspec

from scriptgen.agents.script import Screened, ScriptAgent, Text, Withdrawn, Written, feedback_line
from scriptgen.domain.generation import GenerationParameters, ScriptDelta, ScriptReset, Usage
from scriptgen.domain.quality import QualityIssue
from scriptgen.domain.writing import WritingTask

from .run import Run
from .state import Draft

#: The template writer's name as a backend; its texts are a weaker means wherever a model was configured.
TEMPLATE_BACKEND = "template"
TEMPLATE_WARNING = "模型暂时不可用，这一版由模板写成。"
#: What a character of broken-off output is charged, on the safe side (Qwen: 0.6–0.7).
_TOKENS_PER_CHARACTER = 0.75
_MAX_REPAIR_WARNINGS = 5


class WrittenDraft(msgspec.Struct, frozen=True):
    """A draft and its cost; `degraded` when a weaker means than configured wrote it. `screened` is what the
    guard found in the text, None for a text it did not let out whole.
    """

    draft: Draft
    usage: Usage
    attempts: int
    upstream_seconds: float
    degraded: bool
    warnings: tuple[str, ...]
    screened: Screened | None


async def write_draft(
    run: Run, task: WritingTask, index: int, writer: ScriptAgent, parameters: GenerationParameters
) -> WrittenDraft:
    """Concatenated deltas since the last reset equal the draft's text exactly."""
    written: Written | None = None
    shown = 0
    try:
        async with aclosing(writer.write(task, parameters, deadline=run.deadline)) as events:
            async for event in events:
                match event:
                    case Text(text=text):
                        shown += len(text)
                        run.emit(ScriptDelta(index, text))
                    case Withdrawn(reason=reason, detail=detail):
                        run.emit(ScriptReset(index, reason, detail))
                    case Written():
                        written = event
    finally:
        run.tokens_spent += written.usage.total if written else int(shown * _TOKENS_PER_CHARACTER)
    assert written is not None, "a writer ends with Written or raises"
    degraded = written.backend == TEMPLATE_BACKEND != run.workshop.primary_backend
    return WrittenDraft(
        Draft(
            text=written.text,
            backend=written.backend,
            model=written.model,
            complete=written.complete,
            notes=tuple(map(feedback_line, written.issues)),
            warnings=(*written.warnings, *repair_warnings(written.repairs)),
        ),
        written.usage,
        written.attempts,
        written.upstream_seconds,
        degraded,
        (TEMPLATE_WARNING,) if degraded else (),
        written.screened,
    )


def repair_warnings(repairs: Iterable[QualityIssue]) -> tuple[str, ...]:
    """What the operator should know of words that were exchanged on the way."""
    return tuple(
        f"“{repair.span}”不合规，已经{f'换成“{repair.replacement}”' if repair.replacement else '去掉'}。"
        for repair in repairs
    )[:_MAX_REPAIR_WARNINGS]
