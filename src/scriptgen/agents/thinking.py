"""Removes a model's thinking blocks and special tokens from a stream. Knows tags, nothing of scripts."""

from __future__ import annotations

import re
from typing import Final

_TAG: Final = re.compile(r"<(/?)(?:thinking|think|reasoning)>|<\|[a-zA-Z_]{1,16}\|>|</s>")
_TAG_PART: Final = re.compile(r"<[/|a-zA-Z_]{0,18}\Z")


class ThinkingFilter:
    """Passes on what stands outside `<think>…</think>`. A block that is never closed runs to the end."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False

    @property
    def inside(self) -> bool:
        """Whether a block is open, so that nothing is given out until it is closed."""
        return self._inside

    def feed(self, text: str) -> tuple[str, bool]:
        """The text to keep, and whether all text before it is void (a block was closed but never opened:
        some chat templates open it in the prompt).
        """
        text, self._held = self._held + text, ""
        if not self._inside and "<" not in text:
            return text, False
        void = False
        out: list[str] = []
        position = 0
        for tag in _TAG.finditer(text):
            if not self._inside:
                out.append(text[position : tag.start()])
            position = tag.end()
            if tag[1] is None:
                continue
            closing = tag[1] == "/"
            if closing and not self._inside:
                out.clear()
                void = True
            self._inside = not closing
        rest = text[position:]
        part = _TAG_PART.search(rest)
        if part:
            self._held = part[0]
            rest = rest[: part.start()]
        if not self._inside:
            out.append(rest)
        return "".join(out), void

    def finish(self) -> str:
        return "" if self._inside else self._held
