"""Whether a script is a whole, fresh script of the asked kind. Judges form, not the law (compliance does)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from scriptgen.domain.quality import QualityIssue, Severity
from scriptgen.domain.scenes import missing_elements, scene_for
from scriptgen.domain.writing import TaskKind, WritingTask

from .prompt import INSTRUCTION_LETTERS
from .sentences import bare, dangling, similarity, split_sentences, unfinished_tail, visible_length

PROMPT_ECHO: Final = "structure_prompt_echo"
TOO_THIN: Final = "structure_too_thin"
UNFINISHED: Final = "structure_unfinished"
PRODUCT_SWITCH: Final = "structure_product_switch"
MISSING_ELEMENT: Final = "structure_missing_element"
REPETITION: Final = "structure_repetition"
UNCHANGED: Final = "structure_unchanged"

_NEW_TEXT: Final = frozenset({TaskKind.COMPOSE, TaskKind.CONTINUE})
_THIN_SHARE: Final = 0.15  # of the length asked for: less is a fragment, not a short script
_THIN_REWRITE_SHARE: Final = 0.15  # of the source: 砍一半 twice is still a script
_THIN_FLOOR: Final = 8
_ECHO_MINIMUM: Final = 10  # letters
_DOUBLED_MINIMUM: Final = 8  # letters
_ALIKE: Final = 0.85  # bigram similarity above which a new version is the old one
_LOOP_WINDOW: Final = 6
_LOOP_MINIMUM: Final = 150  # letters: a shorter text may repeat itself on purpose
_LOOP_SHARE: Final = 0.35  # below this share of distinct 6-letter stretches a text runs in circles
_PROMPT_MARKS: Final = ("<运营要求>", "<商品资料>", "<主播风格>", "</", "写作规则：", "内部标记")


def check_structure(text: str, task: WritingTask, *, complete: bool) -> tuple[QualityIssue, ...]:
    """All structural issues of `text` as an answer to `task`. `complete` false: the writer was cut off.

    Everything that makes a text undeliverable is a BLOCK. Missing elements are a WARN, because cue words can
    only suggest that an element is absent; so is likeness to an earlier version, which the operator sees.
    """
    return (
        *_prompt_echo(text, task),
        *_too_thin(text, task),
        *_unfinished(text, complete=complete),
        *_old_product(text, task.forbidden_terms),
        *_repetition(text, task),
        *_missing(text, task),
        *_unchanged(text, task),
    )


def check_form(text: str) -> tuple[QualityIssue, ...]:
    """What can be said of a text without knowing what was asked for."""
    return (*_marks(text), *_unfinished(text, complete=True), *_doubled(text))


def thin_below(task: WritingTask) -> int:
    """The visible characters under which a text cannot be what `task` asks for."""
    if task.kind in _NEW_TEXT:
        scene = scene_for(task.sub_scenario, task.scenario)
        wanted = task.target_characters or scene.default_characters
        return max(_THIN_FLOOR, round(wanted * _THIN_SHARE))
    share = visible_length(task.source_text) * _THIN_REWRITE_SHARE
    if task.target_characters:
        share = min(share, task.target_characters * _THIN_SHARE)
    return max(_THIN_FLOOR, round(share))


def find_term(text: str, term: str) -> Iterator[tuple[int, int]]:
    """Spans of `term`; a number is only found as a whole number (59 is not in 159 or 59.9)."""
    pattern = re.escape(term)
    if term[:1].isdigit():
        pattern = rf"(?<![\d.]){pattern}"
    if term[-1:].isdigit():
        pattern = rf"{pattern}(?![\d]|\.\d)"
    for found in re.finditer(pattern, text):
        yield found.span()


def _issue(
    kind: str, message: str, suggestion: str, text: str, span: tuple[int, int], *, warn: bool = False
) -> QualityIssue:
    start, end = span
    return QualityIssue(
        type=kind,
        severity=Severity.WARN if warn else Severity.BLOCK,
        span=text[start:end],
        start=start,
        end=end,
        message=message,
        suggestion=suggestion,
    )


def _prompt_echo(text: str, task: WritingTask) -> Iterable[QualityIssue]:
    yield from _marks(text)
    asked = bare(task.instruction) if task.kind in _NEW_TEXT else ""
    position = 0
    for sentence in split_sentences(text):
        start = text.index(sentence, position)
        position = start + len(sentence)
        letters = bare(sentence)
        if len(letters) >= _ECHO_MINIMUM and (letters in INSTRUCTION_LETTERS or (asked and asked in letters)):
            message = "把写作要求念了出来"
            yield _issue(PROMPT_ECHO, message, "只写主播要说的话", text, (start, position))


def _marks(text: str) -> Iterable[QualityIssue]:
    for mark in _PROMPT_MARKS:
        start = text.find(mark)
        if start >= 0:
            span = (start, start + len(mark))
            yield _issue(PROMPT_ECHO, "带出了提示里的标记", "只写主播要说的话", text, span)
            return


def _too_thin(text: str, task: WritingTask) -> Iterable[QualityIssue]:
    length, least = visible_length(text), thin_below(task)
    if length < least:
        message = f"内容太单薄，只有{length}个字"
        yield _issue(TOO_THIN, message, f"至少写到{least}个字，把场景和卖点说开", text, (0, len(text)))


def _unfinished(text: str, *, complete: bool) -> Iterable[QualityIssue]:
    if not text.strip() or not (dangling(text) or (not complete and unfinished_tail(text))):
        return
    sentence = split_sentences(text)[-1]
    start = text.rindex(sentence)
    yield _issue(UNFINISHED, "最后一句没有说完", "把最后一句补完整", text, (start, start + len(sentence)))


def _old_product(text: str, forbidden: Iterable[str]) -> Iterable[QualityIssue]:
    for term in forbidden:
        for span in find_term(text, term):
            yield _issue(PRODUCT_SWITCH, "商品已经换了，还在说旧商品的内容", "改成新商品的说法", text, span)


def _repetition(text: str, task: WritingTask) -> Iterable[QualityIssue]:
    yield from _doubled(text)
    if task.kind not in _NEW_TEXT:
        return
    for earlier in (*task.avoid, task.source_text):
        # An opening alone says nothing about the whole: only texts of like length can be the same version.
        if len(earlier) * 2 > len(text) and similarity(text, earlier) > _ALIKE:
            message = "跟之前的版本几乎一样"
            advice = "换一个开头和切入角度重新写"
            yield _issue(REPETITION, message, advice, text, (0, len(text)), warn=True)
            return


def _doubled(text: str) -> Iterable[QualityIssue]:
    letters = bare(text)
    stretches = len(letters) - _LOOP_WINDOW + 1
    if stretches >= _LOOP_MINIMUM:
        distinct = len({letters[i : i + _LOOP_WINDOW] for i in range(stretches)})
        if distinct < stretches * _LOOP_SHARE:
            yield _issue(REPETITION, "同样的话来回说", "每句话说一个新的意思", text, (0, len(text)))
            return
    said: set[str] = set()
    position = 0
    for sentence in split_sentences(text):
        start = text.index(sentence, position)
        position = start + len(sentence)
        spoken = bare(sentence)
        if len(spoken) >= _DOUBLED_MINIMUM and spoken in said:
            span = (start, position)
            yield _issue(REPETITION, "同一句话说了两遍", "删掉重复的一句", text, span, warn=True)
        said.add(spoken)


def _unchanged(text: str, task: WritingTask) -> Iterable[QualityIssue]:
    """A rewrite that is its source. A warning: what cannot be done now cannot be done next time either."""
    if task.kind in _NEW_TEXT or task.fixed_text or not task.source_text:
        return
    if bare(text) == bare(task.source_text):
        message = "这一稿跟原稿一样，要求的改动没有做成"
        yield _issue(UNCHANGED, message, "换个说法再提一次，指明要改哪一句", text, (0, len(text)), warn=True)


def _missing(text: str, task: WritingTask) -> Iterable[QualityIssue]:
    if task.kind not in _NEW_TEXT or not task.sub_scenario:
        return
    scene = scene_for(task.sub_scenario, task.scenario)
    product = task.product
    labels = {element.name: element for element in scene.required}
    for name in missing_elements(
        text,
        scene,
        product_name=product.name,
        selling_points=product.selling_points,
        has_price=bool(product.price),
    ):
        element = labels[name]
        message = f"{task.sub_scenario}里没有听到“{element.label}”"
        yield _issue(MISSING_ELEMENT, message, element.description, text, (len(text), len(text)), warn=True)
