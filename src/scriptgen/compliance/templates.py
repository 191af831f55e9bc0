r"""The small pattern language of the lexicon: parsing, length bounds, and the tree matchers are built of.

A template is a regular expression without unbounded repetition, so every match has a known longest length:
that bound is what lets the streaming guard release text early. It does not match anything itself.

    abc        these characters                      (a|b)      one of
    x?         optional                              x{2,4}     two to four times
    \+         the character itself
    [abc0-9]   one of these                          [^abc]     one other character of the same clause
    .          any character of the same clause      <name>     one of the lexicon's word list `name`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

#: Characters no `.` and no `[^…]` matches: sentence and clause ends, and the boundary mark of `normalise`.
CLAUSE_ENDS: Final = frozenset("。!?;\n\r,、…\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
MAX_REPEAT: Final = 24
_MAX_DEPTH: Final = 12


@dataclass(frozen=True, slots=True)
class Chars:
    """One character: of `members`, or when `negated` any of the clause that is not."""

    members: frozenset[str]
    negated: bool = False

    def accepts(self, character: str) -> bool:
        if self.negated:
            return character not in self.members and character not in CLAUSE_ENDS
        return character in self.members


@dataclass(frozen=True, slots=True)
class Chain:
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    body: Node
    least: int
    most: int


Node = Chars | Chain | Choice | Repeat


def literal(text: str) -> Node:
    return Chain(tuple(Chars(frozenset((c,))) for c in text))


def longest(node: Node) -> int:
    """The most characters a match of `node` can have."""
    match node:
        case Chars():
            return 1
        case Chain(parts):
            return sum(map(longest, parts))
        case Choice(options):
            return max(map(longest, options))
        case Repeat(body, _, most):
            return most * longest(body)


def shortest(node: Node) -> int:
    """The fewest characters a match of `node` can have."""
    match node:
        case Chars():
            return 1
        case Chain(parts):
            return sum(map(shortest, parts))
        case Choice(options):
            return min(map(shortest, options))
        case Repeat(body, least, _):
            return least * shortest(body)


def begins_anywhere(node: Node) -> bool:
    """Whether a match may begin with just any character: such a template would hold back every stream."""
    match node:
        case Chars(_, negated):
            return negated
        case Chain(parts):
            for part in parts:
                if begins_anywhere(part):
                    return True
                if shortest(part) > 0:
                    return False
            return False
        case Choice(options):
            return any(map(begins_anywhere, options))
        case Repeat(body, _, most):
            return most > 0 and begins_anywhere(body)


def parse(
    template: str,
    words: Mapping[str, Sequence[str]],
    spellings: Mapping[str, Sequence[str]] | None = None,
    spelled_words: AbstractSet[str] = frozenset(),
) -> Node:
    """Read one template; raises ValueError with the position of what is wrong with it.

    With `spellings` every character written in the template, or in a word list of `spelled_words`, may also
    stand in its other spellings (homophones, pinyin).
    """
    node = _Parser(template, words, spellings or {}, spelled_words, 0).whole()
    if shortest(node) == 0:
        raise ValueError(f"template {template!r} would match nothing at all")
    if begins_anywhere(node):
        raise ValueError(f"template {template!r} must not begin with '.' or '[^…]'")
    return node


class _Parser:
    def __init__(
        self,
        source: str,
        words: Mapping[str, Sequence[str]],
        spellings: Mapping[str, Sequence[str]],
        spelled_words: AbstractSet[str],
        depth: int,
    ) -> None:
        if depth > _MAX_DEPTH:
            raise ValueError(f"word lists refer to each other too deeply at {source!r}")
        self._source = source
        self._words = words
        self._spellings = spellings
        self._spelled_words = spelled_words
        self._depth = depth
        self._at = 0

    def whole(self) -> Node:
        node = self._choice()
        if self._at != len(self._source):
            self._fail("unexpected character")
        return node

    def _fail(self, what: str) -> None:
        raise ValueError(f"{what} at position {self._at} of template {self._source!r}")

    def _peek(self) -> str:
        return self._source[self._at] if self._at < len(self._source) else ""

    def _until(self, closing: str) -> str:
        end = self._source.find(closing, self._at)
        if end < 0:
            self._fail(f"missing {closing!r}")
        inside = self._source[self._at : end]
        self._at = end + 1
        return inside

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._peek() == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def _repeated(self, body: Node) -> Node:
        mark = self._peek()
        if mark == "?":
            self._at += 1
            return Repeat(body, 0, 1)
        if mark == "{":
            self._at += 1
            low, _, high = self._until("}").partition(",")
            if not low.isdecimal() or (high and not high.isdecimal()):
                self._fail("a repetition is {n} or {m,n}")
            least, most = int(low), int(high or low)
            if not least <= most <= MAX_REPEAT:
                self._fail(f"a repetition has 0 to {MAX_REPEAT} rounds, in order")
            return Repeat(body, least, most)
        return body

    def _atom(self) -> Node:
        character = self._peek()
        self._at += 1
        if character == "(":
            node = self._choice()
            if self._peek() != ")":
                self._fail("missing ')'")
            self._at += 1
            return node
        if character == "[":
            return self._character_class(self._until("]"))
        if character == "<":
            return self._word_list(self._until(">"))
        if character == ".":
            return Chars(frozenset(), negated=True)
        if character == "\\" and self._peek():
            self._at += 1
            return Chars(frozenset((self._source[self._at - 1],)))
        if character in "?{}]>*+\\":
            self._at -= 1
            self._fail(f"{character!r} means nothing here")
        node = Chars(frozenset((character,)))
        others = self._spellings.get(character)
        return Choice((node, *map(literal, others))) if others else node

    def _word_list(self, name: str) -> Node:
        words = self._words.get(name)
        if not words:
            self._fail(f"no word list {name!r}")
            raise AssertionError
        spellings = self._spellings if name in self._spelled_words else {}
        return Choice(
            tuple(
                _Parser(word, self._words, spellings, self._spelled_words, self._depth + 1).whole()
                for word in words
            )
        )

    @staticmethod
    def _character_class(inside: str) -> Node:
        negated = inside.startswith("^")
        body = inside[1:] if negated else inside
        members: set[str] = set()
        index = 0
        while index < len(body):
            if body[index + 1 : index + 2] == "-" and index + 2 < len(body):
                members.update(map(chr, range(ord(body[index]), ord(body[index + 2]) + 1)))
                index += 3
            else:
                members.add(body[index])
                index += 1
        return Chars(frozenset(members), negated)
