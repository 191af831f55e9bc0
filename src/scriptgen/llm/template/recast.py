"""Says a script of the phrase banks in another style: sentence by sentence, each with the words it had.

What is said stays, and in which order: a sentence is exchanged for one of the same element that speaks of the
same point, price or moment. Sentences of other origin are left to the word rules of `restyle`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Final

from msgspec.structs import replace

from scriptgen.domain.vocabulary import STYLES
from scriptgen.domain.writing import WritingTask

from .chooser import OPENINGS, Chooser
from .composer import line_for
from .material import material_of
from .phrases import Phrase, phrase_book
from .recognise import FLAVOUR, POINT, Recognised, recogniser
from .sentences import finished, join, split
from .voice import voice_of

#: What a listener must not miss afterwards.
_FACTS: Final = frozenset({"point", "points", "price", "v", "event", "q", "a"})
_NAMES: Final = frozenset({"this", "product"})
_CALLED: Final = frozenset({"address", "viewer", "this"})
_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
#: Elements whose plain phrases make way for the style asked for; in the others they may stay.
_AUDIBLE: Final = OPENINGS | {
    FLAVOUR,
    "pain",
    "present",
    "price",
    "cta",
    "cta_video",
    "cta_note",
    "interact",
    "reason",
}
#: What makes a script one of its form.
_FRAME: Final = OPENINGS | {"cta", "cta_video", "cta_note", "interact", "hook", "follow"}


def recast(source: str, style: str, task: WritingTask, rng: Random, reword: Callable[[str], str]) -> str:
    """`source` in `style`, with all its facts; "" where that cannot be: when less than half of it comes from
    the banks, or a fact would be lost. `reword` is applied to what does not come from them.
    """
    paragraphs = split(source)
    known = [list(_known(paragraph)) for paragraph in paragraphs]
    pieces = [piece for paragraph in known for _, piece in paragraph]
    if sum(piece is not None for piece in pieces) * 2 < len(pieces):
        return ""
    wishes = replace(task, styles=(style,), source_text="", avoid=(), target_characters=0)
    speaker = _Speaker(wishes, style, rng, taken={piece.phrase.text for piece in pieces if piece})
    spoken = []
    for paragraph in known:
        lines = [
            (piece.element, speaker.say(text, piece)) if piece else ("", reword(text))
            for text, piece in paragraph
        ]
        spoken.append(speaker.voice.punctuate(lines))
    text = join(spoken)
    return text if _facts(source, task) <= _facts(text, task) else ""


def unframed(source: str) -> str:
    """`source` without the sentences of the banks that open it, invite or call to action: those are its
    form's. Never empty.
    """
    paragraphs = []
    for paragraph in split(source):
        kept = [text for text, piece in _known(paragraph) if piece is None or piece.element not in _FRAME]
        paragraphs.append(kept)
    return join(paragraphs) or source


def framed(opening: str, body: list[list[str]], ending: Sequence[str], wishes: WritingTask) -> str:
    """The body in its new frame. What is sold is named, also where only the old frame did."""
    body[-1].extend(line for line in ending if line)
    product = wishes.product.name
    if product and product not in opening + join(body):
        body[0].insert(0, line_for("present", wishes))
    if opening:
        body[0].insert(0, opening)
    return join(body)


def _facts(text: str, task: WritingTask) -> set[str]:
    """Of numbers, name and points those that `text` says."""
    given = (task.product.name, *task.product.selling_points)
    return {*_NUMBER.findall(text), *(fact for fact in given if fact and fact in text)}


def _known(sentences: Sequence[str]) -> Iterator[tuple[str, Recognised | None]]:
    index = 0
    while index < len(sentences):
        found = recogniser().find(sentences[index:])
        count = found.count if found else 1
        yield "".join(sentences[index : index + count]), found
        index += count


class _Speaker:
    """Exchanges sentences; no phrase is used twice."""

    def __init__(self, wishes: WritingTask, style: str, rng: Random, *, taken: set[str]) -> None:
        self._book = phrase_book()
        self._style = style
        self._rng = rng
        self._taken = taken
        material = material_of(wishes, self._book)
        self.voice = voice_of(material.styles, wishes.profile)
        self._chooser = Chooser(self._book, material, self.voice, rng)

    def say(self, text: str, piece: Recognised) -> str:
        """The sentence in the style; as it is where the banks have nothing that says the same."""
        said = "" if self._suits(piece.phrase, piece.element) else self._another(piece)
        return self.voice.soften(self.voice.address_viewer(said or self._own(text)), piece.element, self._rng)

    def _suits(self, phrase: Phrase, element: str) -> bool:
        if phrase.tag in STYLES:
            return phrase.tag == self._style
        if self._chooser.material.formal and phrase.casual:
            return False
        return element not in _AUDIBLE

    def _another(self, piece: Recognised) -> str:
        values = self._chooser.supplies.values()
        # How listeners and product are called is the style's: 各位朋友 for 姐妹们, 这款大米 for 这款.
        values |= {slot: self._own(word) for slot, word in piece.words.items() if slot not in _CALLED}
        wanted = piece.phrase.slots & _FACTS
        named = bool(piece.phrase.slots & _NAMES)
        choices = [
            phrase
            for phrase in self._bank(piece)
            if phrase.text not in self._taken
            and self._chooser.usable(phrase, values)
            and self._suits(phrase, "")
            and wanted <= phrase.slots
            and (not named or phrase.slots & _NAMES)
        ]
        if not choices:
            return ""
        host = "name" in piece.phrase.slots
        phrase = min(
            choices,
            key=lambda p: (p.tag != self._style, host and "name" not in p.slots, self._rng.random()),
        )
        self._taken.add(phrase.text)
        return finished(phrase.render(values, particle=self._rng.random() < self.voice.particles))

    def _own(self, text: str) -> str:
        return text if self.voice.polite else text.replace("您", "你")

    def _bank(self, piece: Recognised) -> Sequence[Phrase]:
        if piece.element == FLAVOUR or not self._chooser.possible(piece.element):
            return self._book.flavours[self._style]
        if piece.element == POINT:
            return self._book.elements["point_lead"]
        return self._book.elements[piece.element]
