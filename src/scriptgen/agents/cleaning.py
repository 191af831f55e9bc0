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
from .sentence_filter import SentenceFilter
from .sentences import bare, split_sentences
from .thinking import ThinkingFilter

_ECHO_MINIMUM: Final = 6  # letters: shorter sentences are common greetings, not an echo
_ECHO_LIMIT: Final = 120
_QUOTES: Final = {"“": "”", "「": "」", "『": "』", "‘": "’", '"': '"'}
_QUOTED: Final = "\0"  # the marks around the whole are done with
_SPACE: Final = re.compile(r"(\s+)")


class StreamCleaner:
    """Cleans one text that arrives in pieces; the pieces' borders do not change the result.

    It holds back only what may still turn out to be something to drop: at most a tag, a bracket, remarks
    that may close the text, or one sentence that so far repeats another. `restarts` grows when everything
    given out so far has become void: a model that closes a thinking block it never opened has been thinking
    aloud until then.
    """

    def __init__(self, task: WritingTask) -> None:
        self.restarts = 0
        self._task = task
        self._thinking = ThinkingFilter()
        self._start()

    def _start(self) -> None:
        self._markup = MarkupFilter()
        self._sentences = SentenceFilter(_echoes(self._task))
        self._outline = _Outline()

    @property
    def dropping(self) -> bool:
        """Whether what comes now is left out, as far as can be told: thinking, headings, repetitions."""
        return self._thinking.inside or self._sentences.dropping

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


class _Outline:
    """The outer form: no space at either end, single line ends, no quotation marks around the whole."""

    def __init__(self) -> None:
        self._begun = False
        self._space = ""
        self._closing_quote = ""

    def write(self, text: str) -> str:
        plain = self._begun and not self._space and self._closing_quote in {"", _QUOTED}
        if plain and not _SPACE.search(text):
            return text
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
        if self._closing_quote not in {"", _QUOTED} and self._closing_quote in piece:
            piece = piece.replace(self._closing_quote, "", 1)
            self._closing_quote = _QUOTED
        return piece


def _echoes(task: WritingTask) -> frozenset[str]:
    """Sentences that must not open the text: the prompt's own, the request's, and in a continuation the
    opening of what came before. A rewriting task may well begin with words of its source.
    """
    lines = [*split_sentences(task.instruction.replace(task.source_text or "\0", ""))]
    if task.kind in {TaskKind.COMPOSE, TaskKind.CONTINUE}:
        lines.append(task.instruction)
    if task.kind is TaskKind.CONTINUE:
        lines += split_sentences(task.source_text)[:2]
    return _OWN_ECHOES | frozenset(_echoing(map(bare, lines)))


def _echoing(letters: Iterable[str]) -> Iterator[str]:
    """Those long enough to be no common greeting and short enough to be held back."""
    return (line for line in letters if _ECHO_MINIMUM <= len(line) <= _ECHO_LIMIT)


_OWN_ECHOES: Final = frozenset(_echoing(INSTRUCTION_LETTERS))
