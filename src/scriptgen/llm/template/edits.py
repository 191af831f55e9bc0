"""Edits a finished script by rules, as its operator asked: MODIFY, OPTIMIZE and TRANSLATE without a model.

Only what was asked changes; untouched sentences stay byte for byte. What the rules cannot do is said in
`EditOutcome.warning`, never faked. Changes of style, dialect and form are in `restyle`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec.structs import replace

from scriptgen.domain.writing import TaskKind, WritingTask

from . import restyle
from .additions import add, lengthen
from .cuts import delete, shorten
from .outcome import EditOutcome
from .swaps import avoid_words, change_ending, change_opening, swap_terms
from .wording import (
    ADD,
    AVOID_WORD,
    CHANGE,
    DELETE,
    ENDING,
    LONGER,
    NEXT_CHANGE,
    OPENING,
    QUOTED_SWAP,
    SHORTER,
    SWAP,
)

_Edit = Callable[[str, WritingTask], str]


def edit(task: WritingTask) -> EditOutcome:
    """The template answer to a MODIFY, OPTIMIZE or TRANSLATE task. Never empty when there is a source."""
    source = task.source_text.strip()
    if not source:
        return EditOutcome("", False, "没有可以修改的话术。")
    if task.kind is TaskKind.OPTIMIZE:
        return restyle.optimize(task)
    if task.kind is TaskKind.TRANSLATE:
        return restyle.translate(task)
    return modify(task)


def modify(task: WritingTask) -> EditOutcome:
    """Applies every change that the instruction names, in a fixed order."""
    source = task.source_text.strip()
    text = source
    undone: list[str] = []
    for clause in _clauses(task.instruction):
        wishes = replace(task, instruction=clause)
        before = text
        for change in _changes(clause):
            text = change(text, wishes)
        if text.strip() == before.strip():
            undone.append(clause)
    if text.strip() == source:
        return EditOutcome(
            source, False, "没有找到要改的地方，话术保持原样；可以说得具体一点，比如“把A改成B”。"
        )
    left = "、".join(f"“{clause.strip()}”" for clause in undone)
    return EditOutcome(text, changed=True, warning=f"{left}没有改成，其他的改好了。" if left else "")


def _clauses(instruction: str) -> list[str]:
    """An instruction as the changes it lists; words that are dictated stay in one piece."""
    return [clause for clause in NEXT_CHANGE.split(instruction) if clause.strip()] or [instruction]


def _changes(instruction: str) -> list[_Edit]:
    """The edits that one clause asks for."""
    about_opening = bool(OPENING.search(instruction) and CHANGE.search(instruction))
    about_ending = bool(ENDING.search(instruction) and CHANGE.search(instruction))
    adds = ADD.search(instruction)
    changes: list[_Edit] = []
    if about_opening and not (
        adds and OPENING.search(instruction[: adds.start()]) and not SWAP.search(instruction)
    ):
        changes.append(change_opening)
    elif about_ending and not adds:
        changes.append(change_ending)
    elif QUOTED_SWAP.search(instruction) or SWAP.search(instruction):
        changes.append(swap_terms)
    elif AVOID_WORD.search(instruction):
        changes.append(avoid_words)
    if DELETE.search(instruction):
        changes.append(delete)
    shorter = SHORTER.search(instruction) or re.search(r"\d+\s*字(?!以上)", instruction)
    if LONGER.search(instruction):
        changes.append(lengthen)
    elif shorter:
        changes.append(shorten)
    if adds and not LONGER.search(instruction):
        changes.append(add)
    return changes
