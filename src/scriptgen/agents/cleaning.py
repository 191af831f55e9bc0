"""Takes out of a model's output what nobody says on air: thinking, markup, labels, echoes, doubled sentences.

It judges form only; whether the words are allowed is the compliance guard's business. The stream and the
whole text go through the same code, so they cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from scriptgen.domain.writing import TaskKind, WritingTask

from .markup import MarkupFilter
from .prompt import INSTRUCTION_LETTERS
from .sentences import bare, split_sentences
from .spoken_labels import LABEL_LINE, METADATA_LINE, is_label_prefix
from .thinking import ThinkingFilter

_UNIT_END: Final = re.compile(r"[。！？!?…\n]+[”’」』]*")
_HEADING: Final = re.compile(r"#{2,6}|#\s+")
_HEAD: Final = re.compile(r"[ \t　]+|[-•·●▪>]\s+|[-=—_]{3,}(?=\n)|\d{1,2}[.、)）．](?!\d)")
_HEAD_PART: Final = re.compile(r"(?:[ \t　]*|#{1,6}\s*|[-•·●▪>]\s*|[-=—_]+|\d{1,2}[.、)）．]?)\Z")

_ACKNOWLEDGEMENTS: Final = ("当然可以", "明白了", "没问题", "可以的", "好的", "好嘞", "当然", "收到", "明白")
_LEADS: Final = (
    *("以下是", "以下为", "下面是", "这里是", "这是为您", "这是为你", "这是给您", "这是一段", "这是一篇"),
    *("这是一版", "这是一份", "为您生成", "为你生成", "为您撰写", "为你撰写", "为您写", "根据您", "根据你"),
    *(
        "按照您",
        "按照你",
        "我来为您",
        "我来帮您",
        "我将为",
        "我已",
        "已为您",
        "已根据",
        "修改后的",
        "优化后的",
    ),
)
_ACKNOWLEDGED: Final = re.compile(rf"(?:{'|'.join(_ACKNOWLEDGEMENTS)})[，,]\s*")
_PREAMBLE: Final = re.compile(rf"(?:{'|'.join(_LEADS)})[^。！？!?\n：:]*(?:[：:]\s*|[。\n])")
_REMARKS: Final = (
    *("希望这", "希望以上", "以上是", "以上就是", "以上话术", "如需", "如果您需要", "如果你需要", "如果需要"),
    *("如有需要", "您可以根据", "你可以根据", "可以根据", "注：", "注:", "备注：", "备注:", "说明：", "字数"),
    *("（注", "（以上", "（全文", "（约", "（共", "(注", "(约", "(共"),
)
_NOTES: Final = ("注：", "注:", "备注：", "备注:", "说明：", "（注", "(注")
_ABOUT_THE_TEXT: Final = re.compile(
    r"话术|文案|脚本|口播|台词|稿|版本|改写|优化|翻译|修改|生成|撰写|要求|调整|字数|\d+字|实际情况|供您?参考"
)
_FRAME_LIMIT: Final = 80  # characters of a preamble or remark; anything longer is taken for script

_ECHO_MINIMUM: Final = 6  # letters: shorter sentences are common greetings, not an echo
_ECHO_LIMIT: Final = 120
_DOUBLED_MINIMUM: Final = 8  # letters: shorter repetitions are how hosts speak (三二一，三二一！)
_QUOTES: Final = {"“": "”", "「": "」", "『": "』", "‘": "’", '"': '"'}
_SPACE: Final = re.compile(r"(\s+)")


class StreamCleaner:
    """Cleans one text that arrives in pieces; the pieces' borders do not change the result.

    It holds back only what may still turn out to be something to drop: at most a tag, a bracket, one remark
    or one sentence that so far repeats another. `restarts` grows when everything given out so far has become
    void: a model that closes a thinking block it never opened has been thinking aloud until then.
    """

    def __init__(self, task: WritingTask) -> None:
        self.restarts = 0
        self._task = task
        self._thinking = ThinkingFilter()
        self._start()

    def _start(self) -> None:
        self._markup = MarkupFilter()
        self._sentences = _SentenceFilter(_echoes(self._task))
        self._outline = _Outline()

    def feed(self, text: str) -> str:
        spoken, void = self._thinking.feed(text)
        if void:
            self.restarts += 1
            self._start()
        return self._outline.write(self._sentences.feed(self._markup.feed(spoken)))

    def finish(self) -> str:
        """What was held back and is to be kept after all. The cleaner takes nothing more after it."""
        rest = self._markup.feed(self._thinking.finish()) + self._markup.finish()
        return self._outline.write(self._sentences.feed(rest) + self._sentences.finish())


def clean(text: str, task: WritingTask) -> str:
    """The whole text cleaned, equal to what the stream would have given."""
    cleaner = StreamCleaner(task)
    return cleaner.feed(text) + cleaner.finish()


class _SentenceFilter:
    """Drops line heads, labels, preambles, remarks, echoes and doubled sentences, unit by unit.

    A unit runs to its closing punctuation or line end. It flows through as soon as no rule can drop it any
    more; until then it is held. Each rule that drops a unit also holds each of its beginnings: that makes
    the outcome independent of how the text was cut.
    """

    def __init__(self, echoes: frozenset[str]) -> None:
        self._echoes = echoes
        self._held = ""
        self._flowed = ""  # the part of the current unit that went out already
        self._begun = False
        self._line_start = True
        self._skipping_line = False
        self._said: set[str] = set()

    def feed(self, text: str) -> str:
        self._held += text
        return self._drain(final=False)

    def finish(self) -> str:
        return self._drain(final=True)

    def _drain(self, *, final: bool) -> str:
        out: list[str] = []
        while self._held:
            if self._skipping_line:
                self._skip_line()
                continue
            unit, complete = self._next_unit(final=final)
            if not unit:
                break
            spoken = unit if self._flowed else self._judge(unit, complete=complete)
            if spoken is None:
                if self._skipping_line:
                    continue
                break
            out.append(spoken)
            self._held = self._held[len(unit) :]
            self._flowed += spoken
            self._begun = self._begun or bool(spoken.strip())
            if complete:
                self._end_unit(unit)
        return "".join(out)

    def _next_unit(self, *, final: bool) -> tuple[str, bool]:
        """The unit at hand and whether it is complete; its closing marks stay back while more may follow."""
        end = _UNIT_END.search(self._held)
        if end is None:
            return self._held, final
        if final or end.end() < len(self._held):
            return self._held[: end.end()], True
        return self._held[: end.start()], False

    def _skip_line(self) -> None:
        _, newline, self._held = self._held.partition("\n")
        if newline:
            self._skipping_line, self._line_start = False, True

    def _end_unit(self, unit: str) -> None:
        letters = bare(self._flowed)
        if len(letters) >= _DOUBLED_MINIMUM:
            self._said.add(letters)
        self._flowed = ""
        self._line_start = "\n" in unit

    def _judge(self, unit: str, *, complete: bool) -> str | None:
        """What of the unit is to be said; None to wait for more, or because its line is skipped."""
        body = self._behead(unit, complete=complete)
        if body is None or (not body and not complete):
            return None
        if complete:
            return ("\n" if "\n" in unit else "") if self._is_dropped(body) else body
        return None if self._may_be_dropped(body) else body

    def _behead(self, body: str, *, complete: bool) -> str | None:
        at_head = self._line_start
        while True:
            if at_head:
                if not complete and (_HEAD_PART.match(body) or is_label_prefix(body)):
                    return None
                if _HEADING.match(body) or METADATA_LINE.match(body):
                    self._skipping_line = True
                    return None
            if not self._begun and not complete and _may_be_preamble(body):
                return None
            head = LABEL_LINE.match(body) or _HEAD.match(body) if at_head else None
            length = head.end() if head else 0 if self._begun else _preamble_length(body)
            if not length:
                return body
            body = body[length:]
            at_head = True

    def _is_dropped(self, body: str) -> bool:
        letters = bare(body)
        if letters in self._said:
            return True
        if not self._begun and (letters in self._echoes or letters in _ACKNOWLEDGEMENTS):
            return True
        text = body.strip()
        return (
            len(text) <= _FRAME_LIMIT
            and text.startswith(_REMARKS)
            and (text.startswith(_NOTES) or _ABOUT_THE_TEXT.search(text) is not None)
        )

    def _may_be_dropped(self, body: str) -> bool:
        letters = bare(body)
        if any(said.startswith(letters) for said in self._said):
            return True
        if not self._begun and any(echo.startswith(letters) for echo in (*self._echoes, *_ACKNOWLEDGEMENTS)):
            return True
        text = body.strip()
        return len(text) <= _FRAME_LIMIT and any(
            text.startswith(remark) or remark.startswith(text) for remark in _REMARKS
        )


class _Outline:
    """The outer form: no space at either end, single line ends, no quotation marks around the whole."""

    def __init__(self) -> None:
        self._begun = False
        self._space = ""
        self._closing_quote = ""

    def write(self, text: str) -> str:
        out: list[str] = []
        for piece in _SPACE.split(text):
            if not piece:
                continue
            if piece.isspace():
                self._space += piece
                continue
            word = self._unquoted(piece)
            if not word:
                continue
            if self._begun and self._space:
                out.append("\n" if "\n" in self._space else self._space)
            self._space = ""
            self._begun = True
            out.append(word)
        return "".join(out)

    def _unquoted(self, piece: str) -> str:
        if not self._begun and not self._closing_quote and piece[0] in _QUOTES:
            self._closing_quote = _QUOTES[piece[0]]
            piece = piece[1:]
        if self._closing_quote and self._closing_quote in piece:
            piece = piece.replace(self._closing_quote, "", 1)
            self._closing_quote = "\0"  # done: no text holds it
        return piece


def _may_be_preamble(body: str) -> bool:
    """Whether `body` is the beginning of a preamble whose end has not come yet."""
    if len(body) > _FRAME_LIMIT:
        return False
    if any(word.startswith(body) for word in _ACKNOWLEDGEMENTS):
        return True
    acknowledged = _ACKNOWLEDGED.match(body)
    rest = body[acknowledged.end() :] if acknowledged else body
    if any(lead.startswith(rest) for lead in _LEADS):
        return True
    if not rest.startswith(_LEADS):
        return False
    preamble = _PREAMBLE.match(rest)
    return preamble is None or preamble.end() == len(rest)


def _preamble_length(body: str) -> int:
    acknowledged = _ACKNOWLEDGED.match(body)
    start = acknowledged.end() if acknowledged else 0
    preamble = _PREAMBLE.match(body, start)
    if preamble is None or preamble.end() > _FRAME_LIMIT or not _ABOUT_THE_TEXT.search(preamble[0]):
        return 0
    return preamble.end()


def _echoes(task: WritingTask) -> frozenset[str]:
    """Sentences that must not open the text: the prompt's own, the request's, and in a continuation the
    opening of what came before. A rewriting task may well begin with words of its source.
    """
    lines = split_sentences(task.instruction.replace(task.source_text or "\0", ""))
    if task.kind in {TaskKind.COMPOSE, TaskKind.CONTINUE}:
        lines.append(task.instruction)
    if task.kind is TaskKind.CONTINUE:
        lines += split_sentences(task.source_text)[:2]
    return _OWN_ECHOES | frozenset(_echoing(map(bare, lines)))


def _echoing(letters: Iterable[str]) -> Iterator[str]:
    """Those long enough to be no common greeting and short enough to be held back."""
    return (line for line in letters if _ECHO_MINIMUM <= len(line) <= _ECHO_LIMIT)


_OWN_ECHOES: Final = frozenset(_echoing(INSTRUCTION_LETTERS))
