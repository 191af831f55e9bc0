"""Adds something to a script: a dictated sentence, a described one, or length."""

from __future__ import annotations

import re

from msgspec.structs import replace

from scriptgen.domain.vocabulary import EVENTS
from scriptgen.domain.writing import WritingTask

from .composer import line_for
from .cuts import wanted_length
from .material import clean
from .sentences import finished, flat, is_action, join, split
from .wording import ADD, ASKED_LINES, DESCRIBES, ENDING, OPENING, QUOTES


def lengthen(text: str, task: WritingTask) -> str:
    paragraphs = split(text)
    wanted = wanted_length(text, task, 1.5)
    place = len(paragraphs) - 1 if len(paragraphs) > 1 else 0
    elements = (
        "moment",
        "show",
        "point",
        "advice",
        "wish",
        "pain",
        "account",
        "service",
        "moment",
        "advice",
        "show",
    )
    at = max(1, len(paragraphs[place]) - 1) if place == 0 else 0
    for turn, element in enumerate(elements):
        if len(join(paragraphs)) >= wanted * 0.95:
            break
        wishes = replace(task, avoid=(join(paragraphs),), source_text="", seed=f"{task.seed}/longer{turn}")
        line = line_for(element, wishes)
        if line and line not in join(paragraphs) and len(join(paragraphs)) + len(line) <= wanted * 1.15:
            paragraphs[place].insert(at, line)
            at += 1
    return join(paragraphs)


def add(text: str, task: WritingTask) -> str:
    match = ADD.search(task.instruction)
    if match is None:
        return text
    asked = match[1].strip().strip(f"：: {QUOTES}")
    asked = re.sub(r"^(?:一句|一段|个|点|上|关于|一下|一些)+[：:]?", "", asked).strip(f"：: {QUOTES}")
    line = _line_asked(asked, text, task)
    if not line or line in text:
        return text
    paragraphs = split(text)
    before = task.instruction[: match.start()]
    if OPENING.search(before) or OPENING.search(asked):
        paragraphs[0].insert(0, line)
    elif ENDING.search(before) or ENDING.search(asked):
        paragraphs[-1].append(line)
    elif any(event in line for event in (task.event, *_spoken_events()) if event) and len(flat(text)) > 1:
        paragraphs[0].insert(1, line)
    elif len(flat(text)) > 1 and is_action(paragraphs[-1][-1]):
        paragraphs[-1].insert(len(paragraphs[-1]) - 1, line)
    else:
        paragraphs[-1].append(line)
    return join(paragraphs)


def _line_asked(asked: str, text: str, task: WritingTask) -> str:
    """The sentence to add: written from the banks when it was described, as typed when it was dictated."""
    wishes = replace(task, avoid=(*task.avoid, text), source_text="", seed=f"{task.seed}/add")
    event = next((e for e in EVENTS if e in asked or e.removesuffix("大促") in asked), "")
    if event and (DESCRIBES.search(asked) or len(asked) <= len(event) + 4):
        return line_for("event", replace(wishes, event=event))
    if DESCRIBES.search(asked):
        for word, element in ASKED_LINES:
            if word in asked:
                return line_for(element if element != "cta" else form_cta(task), wishes)
    if asked in dict(ASKED_LINES):
        return line_for(dict(ASKED_LINES)[asked], wishes)
    spoken = clean(re.sub(r"[吧呗]$", "", asked), limit=200)
    spoken = re.sub(r"((?:只要|价|卖|仅需|才|到手)\s*\d+(?:\.\d+)?)$", r"\1元", spoken)
    return finished(spoken)


def form_cta(task: WritingTask) -> str:
    return {"短视频": "cta_video", "种草文案": "cta_note"}.get(task.scenario, "cta")


def _spoken_events() -> tuple[str, ...]:
    return tuple(e.removesuffix("大促") for e in EVENTS)
