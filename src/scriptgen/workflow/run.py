"""What stages work with besides the state: agents, skills, limits, and the run of one generation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import msgspec

from scriptgen.agents.intent import IntentAgent
from scriptgen.agents.profile import ProfileAgent
from scriptgen.agents.quality import QualityAgent
from scriptgen.agents.script import Screened, ScriptAgent
from scriptgen.domain.conversation import ConversationContext
from scriptgen.domain.generation import GenerationEvent, StageChanged
from scriptgen.domain.identity import Principal
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import SessionHead
from scriptgen.domain.vocabulary import Stage
from scriptgen.llm.protocol import LanguageModel
from scriptgen.skills.registry import SkillRegistry

from .failpoint import Failpoints
from .journal import Journal
from .state import WorkflowState


class WorkflowLimits(msgspec.Struct, frozen=True):
    """`history_token_budget` bounds what of the conversation reaches a prompt."""

    quality_max_retries: int
    history_token_budget: int
    history_window_turns: int


class Workshop(msgspec.Struct, frozen=True):
    """The agents and skills of one service instance, shared by all its generations.

    `writer` writes through the configured backends; `last_resort` only with the template writer, None when
    that is switched off.
    """

    intent: IntentAgent
    profiles: ProfileAgent
    writer: ScriptAgent
    last_resort: ScriptAgent | None
    quality: QualityAgent
    skills: SkillRegistry
    model: LanguageModel
    limits: WorkflowLimits
    primary_backend: str
    observer: Observer
    failpoints: Failpoints = msgspec.field(default_factory=Failpoints)


@dataclass(slots=True)
class Run:
    """One generation in progress. `emit` never blocks; `deadline` is on the event loop's clock.

    `state` is that after the last finished step. `tokens_spent` counts what the models produced so far, also
    in calls that were broken off: it is what a cancelled generation is charged. `screened` holds by draft
    what the streaming guard found, for the review; a generation that was taken over has none and is judged
    anew.
    """

    workshop: Workshop
    principal: Principal
    head: SessionHead
    conversation: ConversationContext
    journal: Journal
    emit: Callable[[GenerationEvent], None]
    deadline: float | None = None
    clock: Callable[[], float] = perf_counter
    tokens_spent: int = 0
    state: WorkflowState | None = None
    announced: tuple[Stage, int] | None = None
    screened: dict[int, Screened] = field(default_factory=dict)

    def announce(self, stage: Stage, attempt: int) -> None:
        """Emit StageChanged unless the generation already is in that stage."""
        if self.announced != (stage, attempt):
            self.announced = (stage, attempt)
            self.emit(StageChanged(stage, attempt))

    def remaining(self) -> float | None:
        """Seconds to the deadline; None without one."""
        if self.deadline is None:
            return None
        return max(self.deadline - asyncio.get_running_loop().time(), 0.0)
