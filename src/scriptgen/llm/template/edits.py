"""Edits a finished script by rules, as its operator asked: MODIFY, OPTIMIZE and TRANSLATE without a model.

Only what was asked changes; untouched sentences stay byte for byte. What the rules cannot do is said in
`EditOutcome.warning`, never faked. Changes of style, dialect and form are in `restyle`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from scriptgen.domain.writing import TaskKind, WritingTask

from . import restyle
from .additions import add, lengthen
from .cuts import delete, shorten
from .outcome import EditOutcome
from .swaps import avoid_words, change_ending, change_opening, swap_terms
from .wording import ADD, AVOID_WORD, CHANGE, DELETE, ENDING, LONGER, OPENING, QUOTED_SWAP, SHORTER, SWAP

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
    for change in _changes(task.instruction):
        text = change(text, task)
    if text.strip() == source:
        return EditOutcome(
            source, False, "没有找到要改的地方，话术保持原样；可以说得具体一点，比如“把A改成B”。"
        )
    return EditOutcome(text, True)


def _changes(instruction: str) -> list[_Edit]:
    """The edits that an instruction asks for."""
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
