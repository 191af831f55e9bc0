"""What an edit by rules came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EditOutcome:
    """`changed` is false when the text is the source as it was; `warning` says what could not be done."""

    text: str
    changed: bool
    warning: str = ""
