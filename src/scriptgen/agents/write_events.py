"""What the writing of one script yields: text to show, withdrawals, and the end. Not how it is written."""

from __future__ import annotations

import msgspec

from scriptgen.compliance.guard import Screened
from scriptgen.domain.generation import ResetReason, Usage
from scriptgen.domain.quality import QualityIssue


class Text(msgspec.Struct, frozen=True):
    """Text that passed the guard, to be appended to what is shown. Never empty."""

    text: str


class Withdrawn(msgspec.Struct, frozen=True):
    """Everything shown so far is void. Only sent when something had been shown."""

    reason: ResetReason
    detail: str


class Written(msgspec.Struct, frozen=True):
    """The end. `text` is exactly what was shown since the last `Withdrawn`.

    `complete` false: what is there must not be delivered as it is; `issues` then says why (a blocked term, a
    leaked prompt), or the text was cut off. `usage` counts all calls of this writing; `repairs` are spans
    that the guard replaced on the way. `attempts` counts upstream calls. `warnings` are sentences for the
    operator. `screened` spares the review what the guard has judged already.
    """

    text: str
    complete: bool
    usage: Usage = msgspec.field(default_factory=Usage)
    backend: str = ""
    model: str = ""
    attempts: int = 0
    finish_reason: str = ""
    upstream_seconds: float = 0.0
    repairs: tuple[QualityIssue, ...] = ()
    issues: tuple[QualityIssue, ...] = ()
    warnings: tuple[str, ...] = ()
    screened: Screened | None = None


WriteEvent = Text | Withdrawn | Written
