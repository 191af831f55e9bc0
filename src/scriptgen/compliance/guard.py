"""Lets a stream out as soon as nothing that blocks can still start or finish in what is held back.

Text without a blocking match leaves at once, except a tail in which one is forming. Around a complete match
the rest of the sentence is awaited, because it may excuse the match; then the sentence is judged as a whole
text would be. The hold-back is at most one segment (`MAX_HELD`), whatever the length of the script.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from scriptgen.domain.quality import QualityIssue, Severity

from .forming import FormingWalk
from .segments import SEGMENT_LIMIT

#: The most characters ever held back; without a match at most the longest match that can form.
MAX_HELD: Final = SEGMENT_LIMIT
_MAX_REPAIRS: Final = 32


#: What, beside the text, decides what is found in it: the category and the stock that is known.
Terms = tuple[str, int | None]


class Reviewer(Protocol):
    """Judges sentence after sentence of one text. `only_blocking`: it finds nothing but what may block."""

    terms: Terms
    only_blocking: bool

    def review(self, sentence: str, offset: int = 0) -> list[QualityIssue]:
        """The findings in one sentence that begins at `offset` of the text."""
        ...

    def note(self, sentence: str) -> None:
        """Remember what a sentence says, for the sentences after it."""


class Screened(msgspec.Struct, frozen=True):
    """A text the guard has let out whole and what it found in its sentences under `terms`: none of it blocks,
    spans count code points of `text`. What only the product's facts decide is not among it.
    """

    text: str
    terms: Terms
    issues: tuple[QualityIssue, ...]


class GuardOutput(msgspec.Struct, frozen=True):
    """`released` may be shown. `repairs` are the blocking spans that were replaced in it. With `blocked` set
    nothing more is ever released. Issues stand where they would in the stream with all earlier repairs made.
    """

    released: str = ""
    blocked: QualityIssue | None = None
    repairs: tuple[QualityIssue, ...] = ()


_NOTHING: Final = GuardOutput()


class StreamGuard:
    """Guards one stream. Not for use by two tasks at once."""

    def __init__(self, reviewer: Reviewer, walk: FormingWalk) -> None:
        self._reviewer = reviewer
        self._walk = walk
        self._segment = ""  # the sentence so far, released part included
        self._offset = 0  # of the segment in the stream, repairs applied
        self._released = 0  # characters of the segment already released
        self._blocked: QualityIssue | None = None
        self._repairs_here = 0
        self._passed: list[str] = []
        self._issues: list[QualityIssue] = []

    @property
    def held(self) -> int:
        """Characters held back now."""
        return len(self._segment) - self._released

    def feed(self, text: str) -> GuardOutput:
        """Take more text; returns what may be shown now."""
        if self._blocked is not None:
            return GuardOutput(blocked=self._blocked)
        taken, ended = self._walk.advance(text, len(self._segment))
        self._segment += text[:taken]
        if not ended:  # the common case, kept short: every delta of every stream comes here
            upto = self._walk.earliest(len(self._segment))
            if upto <= self._released:
                return _NOTHING
            released = self._segment[self._released : upto]
            self._released = upto
            return GuardOutput(released)
        out: list[str] = []
        repairs: list[QualityIssue] = []
        todo = self._close(out, repairs) + text[taken:]
        while todo and self._blocked is None:
            todo = self._take(todo, out, repairs)
        if self._blocked is None:
            self._release(self._walk.earliest(len(self._segment)), out)
        return GuardOutput("".join(out), self._blocked, tuple(repairs))

    def finish(self) -> GuardOutput:
        """The stream ended: judge and release what is left."""
        out: list[str] = []
        repairs: list[QualityIssue] = []
        todo = self._close(out, repairs) if self._blocked is None else ""
        while self._blocked is None and (todo or self._segment):
            while todo and self._blocked is None:
                todo = self._take(todo, out, repairs)
            if self._blocked is None and self._segment:
                todo = self._close(out, repairs)
        return GuardOutput("".join(out), self._blocked, tuple(repairs))

    def screened(self) -> Screened | None:
        """All that was released, judged: None while something is held back and after something blocked."""
        if self._blocked is not None or self._segment:
            return None
        return Screened("".join(self._passed), self._reviewer.terms, tuple(self._issues))

    def _take(self, text: str, out: list[str], repairs: list[QualityIssue]) -> str:
        """Take characters until the text or the segment ends; returns the text still to be taken."""
        taken, ended = self._walk.advance(text, len(self._segment))
        self._segment += text[:taken]
        if not ended:
            return ""
        return self._close(out, repairs) + text[taken:]

    def _close(self, out: list[str], repairs: list[QualityIssue]) -> str:
        """Judge the finished segment. Clean: release it. Repaired: returns it to be taken again, because a
        shorter sentence may end elsewhere.
        """
        sentence = self._segment
        if self._walk.hit is not None or not self._reviewer.only_blocking:
            issues = self._reviewer.review(sentence, self._offset)
            blocking = [i for i in issues if i.severity is Severity.BLOCK]
            if blocking:
                return self._repair(sentence, blocking, out, repairs)
            self._issues += issues
        self._reviewer.note(sentence)
        self._release(len(sentence), out)
        self._passed.append(sentence)
        self._offset += len(sentence)
        self._restart()
        self._repairs_here = 0
        return ""

    def _repair(
        self, sentence: str, blocking: list[QualityIssue], out: list[str], repairs: list[QualityIssue]
    ) -> str:
        # What a repair joined to text already shown can no longer be repaired.
        shown = self._offset + self._released
        beyond = next((i for i in blocking if i.replacement is None or i.start < shown), None)
        if beyond is not None or self._repairs_here >= _MAX_REPAIRS:
            self._release(self._walk.earliest(len(self._segment)), out)
            self._blocked = beyond or blocking[0]
            return ""
        repaired = sentence
        at = len(sentence)
        for issue in reversed(blocking):
            start, end = issue.start - self._offset, issue.end - self._offset
            if end > at or issue.replacement is None:
                continue  # overlaps a repair of another type: judged again in the next round
            at = start
            repaired = repaired[:at] + issue.replacement + repaired[end:]
            repairs.append(issue)
        self._repairs_here += 1
        self._segment = ""
        self._walk.restart()
        return repaired

    def _release(self, upto: int, out: list[str]) -> None:
        if upto > self._released:
            out.append(self._segment[self._released : upto])
            self._released = upto

    def _restart(self) -> None:
        self._segment = ""
        self._released = 0
        self._walk.restart()
