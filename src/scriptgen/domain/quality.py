"""What a review of a text says: issues with exact spans, and the report that carries them."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """BLOCK is never returned or streamed; the others are shown to the operator."""

    BLOCK = "BLOCK"
    NEEDS_EVIDENCE = "NEEDS_EVIDENCE"
    WARN = "WARN"


class QualityIssue(msgspec.Struct, frozen=True):
    """One finding. `span == text[start:end]`, counted in Unicode code points of the reviewed text.

    `type` is a name from the compliance table (`absolute_claim`, …), `unsupported_fact`, or `structure_…`.
    `suggestion` is advice for people; `replacement` is a safe text to put in the span's place, None when
    only a rewrite helps, "" when the span can simply go.
    """

    type: str
    severity: Severity
    span: str
    start: int
    end: int
    message: str
    suggestion: str = ""
    basis: str = ""
    replacement: str | None = None


class QualityReport(msgspec.Struct, frozen=True):
    """The verdict on one text. `passed` is false exactly when a BLOCK or a structural failure is present."""

    passed: bool
    score: float  # 0..1
    issues: tuple[QualityIssue, ...] = ()
    style_score: float = 1.0  # 0..1, agreement with the influencer's profile
    suggestions: tuple[str, ...] = ()
