"""Drops what is no script, sentence by sentence: labels, echoes, repetitions, words to the operator.

It knows where a sentence stands; what a single one says is judged by `openings`, `remarks`, `spoken_labels`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from .openings import is_acknowledgement, is_greeting, may_be_opening, opening_length
from .remarks import (
    Remark,
    is_closing_heading,
    may_be_closing_heading,
    may_become_remark,
    opens_bracket,
    remark_of,
)
from .sentences import bare
from .spoken_labels import LABEL_LINE, METADATA_LINE, is_label_prefix

_UNIT_END: Final = re.compile(r"[。！？!?…\n]+[”’」』]*")
_HEADING: Final = re.compile(r"#{2,6}|#\s+")
_HEAD: Final = re.compile(r"[ \t　]+|[-•·●▪>]\s+|[-=—_]{3,}(?=\n)|\d{1,2}[.、)）．](?!\d)")
_HEAD_PART: Final = re.compile(r"(?:[ \t　]*|#{1,6}\s*|[-•·●▪>]\s*|[-=—_]+|\d{1,2}[.、)）．]?)\Z")

#: Characters of closing remarks that wait for the end of the text; more than that is taken for script.
_CLOSING_LIMIT: Final = 240
_DOUBLED_MINIMUM: Final = 8  # letters: shorter repetitions are how hosts speak (三二一，三二一！)
_LINE: Final = re.compile(r"\n")
_BRACKET_END: Final = re.compile(r"[）)】\]]|\n")
#: A bracket that is not closed within so many characters was forgotten: the script goes on after it.
_BRACKET_LIMIT: Final = 80
_SENTENCE_END: Final = re.compile(r"[。！？!?]")


class _Waiting(msgspec.Struct, frozen=True):
    """A unit that goes out as soon as script follows it. `apart`: it stands in a paragraph of its own."""

    text: str
    remark: Remark = Remark.NONE
    apart: bool = False


class SentenceFilter:
    """Drops line heads, labels, echoes, doubled sentences and what is said to the operator, unit by unit.

    A unit runs to its closing punctuation or line end. It flows through as soon as no rule can drop it any
    more; until then it is held. Each rule that drops a unit also holds each of its beginnings: that makes
    the outcome independent of how the text was cut. What is a remark only at the end of the text waits
    until script follows it, or the end comes.
    """

    def __init__(self, echoes: frozenset[str]) -> None:
        self._echoes = echoes
        self._held = ""
        self._flowed = ""  # the part of the current unit that went out already
        self._begun = False
        self._line_start = True
        self._skipping: re.Pattern[str] | None = None  # up to where all is left out
        self._skipped = ""
        self._closed = False  # a heading said that what follows is about the script
        self._line_ends = 0  # since the last words
        self._after_remark = False
        self._remark = Remark.NONE  # what the unit at hand is
        self._waiting: list[_Waiting] = []
        self._said: set[str] = set()
        self._dropped = False  # the last unit

    @property
    def dropping(self) -> bool:
        """Whether the text at hand is left out, or most likely will be: a line to be skipped, or a sentence
        that so far repeats another for longer than two sentences commonly begin alike.
        """
        if self._skipping is not None:
            return True
        letters = bare(self._held)
        alike = 1 if self._dropped else _DOUBLED_MINIMUM
        return len(letters) >= alike and self._repeats(letters)

    def feed(self, text: str) -> str:
        if self._flowed and not self._held and _UNIT_END.search(text) is None:
            self._flowed += text  # in the middle of a sentence that nothing can drop any more
            return text
        self._held += text
        return self._drain(final=False)

    def finish(self) -> str:
        out = self._drain(final=True)
        return out + "".join(one.text for one in _without_closing(self._waiting, remarked=self._after_remark))

    def _drain(self, *, final: bool) -> str:
        out: list[str] = []
        while self._held:
            if self._skipping is not None:
                self._skip(self._skipping)
                continue
            unit, complete = self._next_unit(final=final)
            if not unit:
                break
            spoken = unit if self._flowed else self._judge(unit, complete=complete)
            if spoken is None:
                if self._skipping is not None:
                    continue
                break
            self._held = self._held[len(unit) :]
            self._pass(spoken, out, complete=complete)
            if complete:
                self._dropped = not spoken.strip()
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

    def _skip(self, until: re.Pattern[str]) -> None:
        end = until.search(self._held)
        if until is _BRACKET_END:
            start = max(_BRACKET_LIMIT - len(self._skipped), 0)
            forgotten = _SENTENCE_END.search(self._held, start, end.end() if end else len(self._held))
            end = forgotten or end
        skipped, self._held = (self._held[: end.end()], self._held[end.end() :]) if end else (self._held, "")
        self._skipped += skipped
        if end is None:
            return
        self._skipping = None
        if not skipped.endswith("\n"):
            return
        self._line_start = True
        if is_closing_heading(self._skipped.lstrip("# \t")):
            self._closed = self._begun
        elif self._skipped.startswith("#"):
            self._closed = False

    def _pass(self, spoken: str, out: list[str], *, complete: bool) -> None:
        """Give `spoken` out, and what waited for it; or let it wait itself."""
        if not spoken.strip():
            if self._waiting:
                self._waiting.append(_Waiting(spoken))
            else:
                out.append(spoken)
            return
        if complete and not self._flowed:
            remark = self._remark
            waits = remark or (not self._begun and is_greeting(spoken))
            if waits and sum(len(one.text) for one in self._waiting) < _CLOSING_LIMIT:
                apart = self._after_remark or self._line_ends > 1
                self._waiting.append(_Waiting(spoken, remark, apart=apart))
                self._after_remark = remark >= Remark.LIKELY
                return
        out += [one.text for one in self._waiting]
        self._waiting.clear()
        out.append(spoken)
        self._flowed += spoken
        self._begun = True
        self._after_remark = False

    def _end_unit(self, unit: str) -> None:
        letters = bare(self._flowed)
        if len(letters) >= _DOUBLED_MINIMUM:
            self._said.add(letters)
        self._flowed = ""
        line_ends = unit.count("\n")
        self._line_start = line_ends > 0
        self._line_ends = line_ends if letters or bare(unit) else self._line_ends + line_ends

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
                if not complete and (
                    _HEAD_PART.match(body) or is_label_prefix(body) or may_be_closing_heading(body)
                ):
                    return None
                if _HEADING.match(body) or METADATA_LINE.match(body) or is_closing_heading(body):
                    self._skipping, self._skipped = _LINE, ""
                    return None
            if not self._begun and not complete and may_be_opening(body):
                return None
            head = LABEL_LINE.match(body) or _HEAD.match(body) if at_head else None
            if head is not None and self._closed and not _HEAD.match(body):
                self._closed = False
            length = head.end() if head else 0 if self._begun else opening_length(body)
            if not length:
                return body
            if head is None:
                self._waiting.clear()  # a greeting in front of such an opening was the operator's
            body = body[length:]
            at_head = True

    def _is_dropped(self, body: str) -> bool:
        if self._closed:
            return True
        letters = bare(body)
        if letters in self._said or (self._after_remark and not letters):
            return True
        if not self._begun and (letters in self._echoes or is_acknowledgement(body)):
            return True
        self._remark = remark_of(body, following=self._after_remark)
        if self._remark is not Remark.CERTAIN:
            return False
        self._after_remark = True
        if opens_bracket(body) and "\n" not in body:
            self._skipping, self._skipped = _BRACKET_END, ""
        return True

    def _may_be_dropped(self, body: str) -> bool:
        letters = bare(body)
        if self._closed or not letters or self._repeats(letters):
            return True
        if not self._begun and may_be_opening(body):
            return True
        return may_become_remark(body, following=self._after_remark)

    def _repeats(self, letters: str) -> bool:
        """Whether a sentence that begins so may be one to be dropped as a repetition or an echo."""
        if any(said.startswith(letters) for said in self._said):
            return True
        return not self._begun and any(echo.startswith(letters) for echo in self._echoes)


def _without_closing(waiting: list[_Waiting], *, remarked: bool) -> list[_Waiting]:
    """What waited until the end of the text, without the remarks that close it. `remarked`: the last thing
    said was to the operator for sure, so what waits in front of it was as well.
    """
    if remarked or any(one.remark >= Remark.LIKELY or (one.remark and one.apart) for one in waiting):
        return [one for one in waiting if not one.remark]
    return waiting
