"""Which earlier script a request means."""

from __future__ import annotations

import re
from typing import Final

from scriptgen.domain.errors import FailedPreconditionError
from scriptgen.domain.session import Script

from .protocol import SkillContext

_NUMERALS: Final = {
    "一": 1,
    "二": 2,
    "两": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}
_NTH: Final = re.compile(r"第\s*(\d{1,2}|[一二两三四五六七八九十])\s*(?:个?版|条|个|篇|套|份)")


def source_script(context: SkillContext) -> Script:
    """The script to work on: pasted text, else the one of the turn referred to, else the n-th version, else
    the newest. Raises `FailedPreconditionError` (NO_SCRIPT) when there is none.
    """
    if context.intent.source_text:
        return Script(script_id="", content=context.intent.source_text)
    candidates = scripts_of(context)
    turn = context.intent.refers_to_turn
    in_turn = [script for script in candidates if script.turn_index == turn]
    if in_turn:
        return _nth(in_turn, context) or _of_scene(in_turn, context) or in_turn[-1]
    if not candidates:
        raise FailedPreconditionError("There is no script in this session to work on.", reason="NO_SCRIPT")
    numbered = nth_version(context.query)
    by_version = [script for script in candidates if script.version == numbered]
    return by_version[0] if by_version else candidates[-1]


def scripts_of(context: SkillContext) -> list[Script]:
    """All scripts of the history window, oldest first."""
    return [script for turn in context.conversation.history for script in turn.scripts]


def nth_version(query: str) -> int | None:
    """N of 第N版, None when no version is named."""
    found = _NTH.search(query)
    if found is None:
        return None
    return _NUMERALS.get(found[1]) or int(found[1])


def _nth(scripts: list[Script], context: SkillContext) -> Script | None:
    number = nth_version(context.query)
    if number is None or len(scripts) == 1:
        return None
    by_version = [script for script in scripts if script.version == number]
    if by_version:
        return by_version[0]
    return scripts[number - 1] if number <= len(scripts) else None


def _of_scene(scripts: list[Script], context: SkillContext) -> Script | None:
    """Of a batch, the script of the scene that the query names."""
    scene = context.intent.slots.sub_scenario
    matching = [script for script in scripts if scene and script.sub_scenario == scene]
    return matching[-1] if matching else None
