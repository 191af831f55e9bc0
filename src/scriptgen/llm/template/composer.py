"""Composes a script from a scene's plan, the task's material and the phrase banks, to a wanted length.

Choices are seeded: the same task and seed give the same text. Whole sentences are chosen until the length
is right; none is ever cut. Which values may be said is decided in `material`, which phrase in `chooser`, how
it is said in `voice`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from scriptgen.domain.writing import WritingTask

from .chooser import Chooser, Sentence
from .material import Material, material_of
from .phrases import Position, phrase_book
from .voice import Voice, voice_of

_TYPICAL_SENTENCE: Final = 17  # characters; how many required elements fit into a short script
_ROOM_FOR_AN_ANSWER: Final = 90  # a question with its answer takes half of that


def compose(task: WritingTask) -> str:
    """A finished script for `task`: spoken text only, one to three paragraphs."""
    return _draft(task).write()


def opening_line(task: WritingTask) -> str:
    """Only the first sentence of a script for `task`, another than those of `task.avoid` and its source."""
    return _draft(task).opening()


def line_for(element: str, task: WritingTask) -> str:
    """One sentence of an element (`cta`, `follow`, `event`, `price`, …) for `task`; "" when it has none."""
    return _draft(task).line(element)


def _draft(task: WritingTask) -> _Draft:
    book = phrase_book()
    material = material_of(task, book)
    voice = voice_of(material.styles, task.profile)
    rng = Random(_seed(task))  # noqa: S311 - wording, not secrets
    return _Draft(material, voice, rng, Chooser(book, material, voice, rng))


def _seed(task: WritingTask) -> int:
    parts = (
        task.seed,
        task.kind,
        task.category,
        task.scenario,
        task.sub_scenario,
        task.product.name,
        task.event,
        *task.styles,
    )
    return int.from_bytes(hashlib.sha256("\x1f".join(parts).encode()).digest()[:8], "big")


@dataclass(slots=True)
class _Draft:
    """One script while it is being written."""

    material: Material
    voice: Voice
    rng: Random
    chooser: Chooser

    def write(self) -> str:
        plan = self.chooser.book.plan(self.material.scene.form, self.material.scene.name)
        positions = [p for paragraph in plan.paragraphs for p in paragraph]
        chosen: dict[int, list[Sentence]] = {index: [] for index in range(len(positions))}
        catch_room = sum(len(c) + 1 for c in self._catchphrases())
        target = self.material.target - catch_room
        required = self._required(positions, target)
        used = 0
        for done, index in enumerate(required):
            cap = target * 1.08 - used - 13 * (len(required) - done - 1)
            sentence = self.chooser.pick(positions[index].element, cap, must=True)
            if sentence is not None:
                chosen[index].append(sentence)
                used += len(sentence.text)
        if target < _ROOM_FOR_AN_ANSWER:  # in a short script the name must not come on top
            self._mention_product(positions, chosen, target * 1.1 - used)
            used = sum(len(s.text) for sentences in chosen.values() for s in sentences)
        used = self._fill(positions, chosen, used, target)
        self._mention_product(positions, chosen, target * 1.12 - used)
        used = sum(len(s.text) for sentences in chosen.values() for s in sentences)
        self._fill(positions, chosen, used, target)  # the sentence that names the product may be shorter
        return self._speak(plan.paragraphs, chosen)

    def opening(self) -> str:
        plan = self.chooser.book.plan(self.material.scene.form, self.material.scene.name)
        return self.line(plan.paragraphs[0][0].element)

    def line(self, element: str) -> str:
        sentence = self.chooser.pick(element, 60, must=True)
        if sentence is None:
            return ""
        return "".join(self.voice.punctuate([(element, self.voice.soften(sentence.text, element, self.rng))]))

    def _required(self, positions: Sequence[Position], target: int) -> list[int]:
        """Indexes of the positions that must be filled, in the order of their rank, as many as fit."""
        scored = []
        for index, position in enumerate(positions):
            if position.least and not (position.element == "qa" and target < _ROOM_FOR_AN_ANSWER):
                scored.append((position.rank, 0, index))
            elif position.rank <= 6 and self._called_for(position.element, target):
                scored.append((position.rank, 1, index))
        scored.sort()
        fits = max(2, round((target - len(self.material.product)) / _TYPICAL_SENTENCE))
        must = [s for s in scored if s[1] == 0]
        extra = [s for s in scored if s[1] == 1][: max(0, fits - len(must))]
        if len(must) > fits:
            must = must[:fits]
        return [index for _, _, index in sorted([*must, *extra])]

    def _called_for(self, element: str, target: int) -> bool:
        """Whether what was given asks for an element that a plan leaves open."""
        m = self.material
        given = {
            "event": bool(m.event) and target >= 85,
            "price": bool(m.price),
            "point": bool(m.points),
            "reason": bool(m.points),
            "tease": bool(m.points),
            "scarcity": (m.has_facts("stock") or m.has_facts("time")) and target >= 85,
            "offer": m.has_facts("offer") and target >= 85,
            "qa_fact": m.has_facts("service") and target >= 85,
            "preview": bool(m.product),
            "recap": bool(m.product),
            "flavour": bool(m.styles) and target >= 110,
        }
        return given.get(element, False)

    def _fill(
        self, positions: Sequence[Position], chosen: dict[int, list[Sentence]], used: int, target: int
    ) -> int:
        closed: set[int] = set()
        jitter = [self.rng.random() * 2.5 for _ in positions]
        while used < target * 0.94:
            best = min(
                (
                    (p.rank + jitter[i] + 3.0 * len(chosen[i]), i)
                    for i, p in enumerate(positions)
                    if i not in closed and len(chosen[i]) < self._most(p)
                ),
                default=None,
            )
            if best is None:
                break
            index = best[1]
            cap = target * (1.1 if used > target * 0.85 else 1.16) - used
            sentence = self.chooser.pick(positions[index].element, cap)
            if sentence is None:
                closed.add(index)
                continue
            chosen[index].append(sentence)
            used += len(sentence.text)
        return used

    def _most(self, position: Position) -> int:
        """Short scripts ask, worry and call to act once."""
        if position.element in {"preview", "interact", "pain", "cta", "cta_video", "cta_note"}:
            return position.most if self.material.target > 280 else max(1, position.least)
        return position.most + (max(0, self.material.target - 260) // 110 if position.most > 1 else 0)

    def _mention_product(
        self, positions: Sequence[Position], chosen: dict[int, list[Sentence]], room: float
    ) -> None:
        """What is sold is named at least once, in the earliest sentence that can name it."""
        product = self.material.product or self.material.knowledge.goods
        if any(product in s.text for sentences in chosen.values() for s in sentences):
            return
        places = [(i, place) for i in range(len(positions)) for place in range(len(chosen[i]))]
        for must in (False, True):  # too long only when nothing fits anywhere
            for index, place in places:
                old, element = chosen[index][place], positions[index].element
                self.chooser.forget(old)
                cap = len(old.text) + max(0.0, room)
                new = self.chooser.pick(element, cap, must=must, naming=product)
                if new is not None and not self.chooser.opened_before(element, new.text):
                    chosen[index][place] = new
                    return
                self.chooser.remember(old)

    def _speak(self, paragraphs: Sequence[Sequence[Position]], chosen: dict[int, list[Sentence]]) -> str:
        index = 0
        spoken: list[list[tuple[str, str]]] = []
        for paragraph in paragraphs:
            lines: list[tuple[str, str]] = []
            for position in paragraph:
                lines.extend(
                    (position.element, self.voice.soften(s.text, position.element, self.rng))
                    for s in chosen[index]
                )
                index += 1
            if lines:
                spoken.append(lines)
        self._weave_catchphrases(spoken)
        texts = iter(self.voice.punctuate([line for lines in spoken for line in lines]))
        blocks = ["".join(next(texts) for _ in lines) for lines in spoken]
        return "\n".join(_merged(blocks))

    def _weave_catchphrases(self, spoken: list[list[tuple[str, str]]]) -> None:
        phrases = self._catchphrases()
        text = "".join(t for lines in spoken for _, t in lines)
        if phrases and phrases[0] not in text and spoken:
            place = spoken[0][1] if len(spoken[0]) > 1 else (spoken[1][0] if len(spoken) > 1 else None)
            if place is not None:
                lines, at = (spoken[0], 1) if len(spoken[0]) > 1 else (spoken[1], 0)
                element, old = lines[at]
                lines[at] = (
                    element,
                    f"{phrases[0]}，{old}" if len(phrases[0]) <= 5 else f"{phrases[0]}！{old}",
                )
        if len(phrases) > 1 and phrases[1] not in text:
            element, old = spoken[-1][-1]
            spoken[-1][-1] = (
                element,
                f"{phrases[1]}，{old}" if len(phrases[1]) <= 5 else f"{phrases[1]}！{old}",
            )

    def _catchphrases(self) -> tuple[str, ...]:
        """At most two, one in a short script."""
        wanted = 2 if self.material.target >= 110 else 1
        if self.material.target < 60:
            wanted = 0
        phrases = [p for p in self.material.catchphrases if not any(f in p for f in self.material.forbidden)]
        if self.material.avoid and len(phrases) > 1:
            turn = len(self.material.avoid) % len(phrases)
            phrases = phrases[turn:] + phrases[:turn]
        return tuple(phrases[:wanted])


def _merged(blocks: Sequence[str]) -> list[str]:
    """Joins paragraphs too short to stand alone: one below 150 characters, two below 300."""
    total = sum(map(len, blocks))
    wanted = 1 if total < 150 else 2 if total < 300 else 3
    merged = list(blocks)
    while len(merged) > wanted:
        pairs = [(len(merged[i]) + len(merged[i + 1]), i) for i in range(len(merged) - 1)]
        _, i = min(pairs)
        merged[i : i + 2] = [merged[i] + merged[i + 1]]
    return merged
