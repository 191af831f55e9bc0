"""One request to write, the events it streams and the result it ends with."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from .intent import Clarification, Intent
from .quality import QualityReport
from .session import Product, Script, SessionKey
from .vocabulary import GenerationStatus, Stage


class GenerationParameters(msgspec.Struct, frozen=True):
    """Sampling wishes; None leaves the choice to the service."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    target_characters: int | None = None


class GenerationRequest(msgspec.Struct, frozen=True):
    """A validated request. `request_id` is always set; `explicit_id` tells whether the caller chose it.

    `deduplicate` is true when a stored result of the same id may answer it.
    """

    key: SessionKey
    user_id: str
    query: str
    request_id: str
    trace_id: str
    parameters: GenerationParameters = msgspec.field(default_factory=GenerationParameters)
    product: Product | None = None
    explicit_id: bool = False
    deduplicate: bool = True


class Usage(msgspec.Struct, frozen=True):
    """Tokens of all model calls of a generation; `estimated` when a backend did not report them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
        )


class GenerationResult(msgspec.Struct, frozen=True):
    """What a finished generation says. `stage_seconds` maps stage names to seconds spent in them."""

    request_id: str
    trace_id: str
    session_id: str
    status: GenerationStatus
    scripts: tuple[Script, ...] = ()
    reply: str = ""
    intent: Intent | None = None
    quality: QualityReport | None = None
    clarification: Clarification | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    backend: str = ""
    model: str = ""
    attempts: int = 0
    replayed: bool = False
    resumed: bool = False
    stage_seconds: dict[str, float] = msgspec.field(default_factory=dict)
    checkpoint_version: int = 0
    warnings: tuple[str, ...] = ()


class ResetReason(StrEnum):
    """Why shown text is withdrawn."""

    QUALITY_RETRY = "QUALITY_RETRY"
    BACKEND_SWITCHED = "BACKEND_SWITCHED"
    GENERATION_RESUMED = "GENERATION_RESUMED"


class StageChanged(msgspec.Struct, frozen=True):
    """The generation entered `stage`; `attempt` counts regenerations from 0."""

    stage: Stage
    attempt: int = 0


class ScriptDelta(msgspec.Struct, frozen=True):
    """Text that passed the streaming guard, to be appended to script `script_index`."""

    script_index: int
    text: str


class ScriptReset(msgspec.Struct, frozen=True):
    """Everything shown of script `script_index` is void; it is being written again."""

    script_index: int
    reason: ResetReason
    detail: str = ""


GenerationEvent = StageChanged | ScriptDelta | ScriptReset | Clarification | QualityReport | GenerationResult


class SequencedEvent(msgspec.Struct, frozen=True):
    """An event with its place in the stream: 1, 2, … without gaps."""

    sequence: int
    event: GenerationEvent
