"""Removes inline markup and stage directions from a stream: bold, code fences, 【开场】, （微笑）."""

from __future__ import annotations

import re
from typing import Final

from .spoken_labels import is_label

_MARK: Final = re.compile(
    r"`{3,}[a-zA-Z]{0,12}|`+|\*{2,}|\*(?!\d)|__+|[（(【\[](?P<inside>[^）)】\]\n（(【\[]{0,20})[）)】\]]"
)
_MARK_PART: Final = re.compile(r"(?:`+[a-zA-Z]{0,12}|\*+|_+|[（(【\[][^）)】\]\n（(【\[]{0,20})\Z")
_ANY_MARK: Final = re.compile(r"[`*_（(【\[]")
_DIRECTION: Final = re.compile(
    r"镜头|画面|特写|背景音乐|BGM|停顿|微笑|语气|语速|拿起|举起|展示|指向|挥手|鼓掌|手势|字数|\d+秒?\s*[-~—–至到]\s*\d+秒"
)


class MarkupFilter:
    """Holds back only an unclosed bracket of at most 20 characters or a run of marks."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, text: str) -> str:
        if not self._held and not _ANY_MARK.search(text):
            return text
        text, self._held = self._held + text, ""
        part = _MARK_PART.search(text)
        if part:
            self._held = part[0]
            text = text[: part.start()]
        return _MARK.sub(_spoken, text)

    def finish(self) -> str:
        text, self._held = self._held, ""
        return _MARK.sub(_spoken, text)


def _spoken(mark: re.Match[str]) -> str:
    inside = mark["inside"]
    if inside is None or is_label(inside) or _DIRECTION.search(inside):
        return ""
    return mark[0]
