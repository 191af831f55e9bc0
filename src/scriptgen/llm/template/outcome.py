"""What an edit by rules came to."""

from __future__ import annotations

import msgspec


class EditOutcome(msgspec.Struct, frozen=True):
    """`changed` is false when the text is the source as it was; `warning` says what could not be done."""

    text: str
    changed: bool
    warning: str = ""
