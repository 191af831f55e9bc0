r"""Reads the small pattern language of the lexicon into nodes; it does not match anything itself.

abc        these characters                      (a|b)      one of
x?         optional                              x{2,4}     two to four times
\+         the character itself
[abc0-9]   one of these                          [^abc]     one other character of the same clause
.          any character of the same clause      <name>     one of the lexicon's word list `name`
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NoReturn

from .templates import Chain, Choice, Excluding, Node, Repeat, Words

MAX_REPEAT: Final = 24
_SPECIAL: Final = frozenset("()|?{}[]<>.\\*+")
_PIECES: Final = re.compile(r"\\.|\{[^}]*\}|\[[^\]]*\]|<[^>]*>|.", re.DOTALL)
_RANGES: Final = re.compile(r"(.)-(.)|(.)", re.DOTALL)


class TemplateParser:
    """Reads the templates of one lexicon file. A character written in an evasive template, or in a word list
    of `spelled_words`, may also stand in its other `spellings` (homophones, pinyin).
    """

    def __init__(
        self,
        words: Mapping[str, Sequence[str]],
        spellings: Mapping[str, Sequence[str]],
        spelled_words: AbstractSet[str],
    ) -> None:
        self._words = words
        self._spellings = spellings
        self._spelled_words = spelled_words
        self._lists: dict[tuple[str, bool], Node] = {}
        self._literals: dict[str, Node] = {}
        self._spelled: dict[str, Node] = {}
        self._open: list[str] = []

    def parse(self, template: str, *, evasive: bool = False) -> Node:
        """Raises ValueError, naming the template, when it is malformed or could begin with anything."""
        node = self._read(template, evasive=evasive)
        if node.least == 0:
            raise ValueError(f"template {template!r} would match nothing at all")
        if node.open:
            raise ValueError(f"template {template!r} must not begin with '.' or '[^…]'")
        return node

    def _read(self, template: str, *, evasive: bool) -> Node:
        return _Reading(self, template, evasive=evasive).whole()

    def has_other_spellings(self, character: str) -> bool:
        return character in self._spellings

    def literal(self, text: str) -> Node:
        node = self._literals.get(text)
        if node is None:
            node = self._literals[text] = Words((text,))
        return node

    def spelled(self, character: str) -> Node:
        node = self._spelled.get(character)
        if node is None:
            node = self._spelled[character] = Words((character, *self._spellings.get(character, ())))
        return node

    def word_list(self, name: str, *, evasive: bool) -> Node:
        spelled = evasive and name in self._spelled_words
        node = self._lists.get((name, spelled))
        if node is None:
            if name in self._open:
                raise ValueError(f"the word list {name!r} refers to itself")
            if not self._words.get(name):
                raise ValueError(f"no word list {name!r}")
            self._open.append(name)
            node = self._choice_of_words(self._words[name], spelled=spelled)
            self._open.pop()
            self._lists[name, spelled] = node
        return node

    def _choice_of_words(self, words: Sequence[str], *, spelled: bool) -> Node:
        literal = [w for w in words if not spelled and not _SPECIAL.intersection(w)]
        others = [self._read(word, evasive=spelled) for word in words if word not in literal]
        options = [Words(literal), *others] if literal else others
        return options[0] if len(options) == 1 else Choice(options)


class _Reading:
    """The state of reading one template."""

    def __init__(self, parser: TemplateParser, template: str, *, evasive: bool) -> None:
        self._parser = parser
        self._template = template
        self._evasive = evasive
        self._pieces = [*_PIECES.findall(template), ""]
        self._at = 0

    def whole(self) -> Node:
        node = self._choice()
        if self._pieces[self._at]:
            self._fail(f"unexpected {self._pieces[self._at]!r}")
        return node

    def _fail(self, what: str) -> NoReturn:
        raise ValueError(f"{what} in template {self._template!r}")

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._pieces[self._at] == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(options)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        plain = ""  # characters not yet made a node, because the next piece may repeat the last of them
        while (piece := self._pieces[self._at]) not in {"", "|", ")"}:
            self._at += 1
            character = piece[-1] if len(piece) == 1 or piece[0] == "\\" else ""
            following = self._pieces[self._at]
            spelled = self._evasive and self._parser.has_other_spellings(character)
            literal = character and (piece[0] == "\\" or piece not in _SPECIAL)
            if literal and not spelled and following[:1] not in {"?", "{"}:
                plain += character
                continue
            if plain:
                parts.append(self._parser.literal(plain))
                plain = ""
            parts.append(self._repeated(self._atom(piece)))
        if plain:
            parts.append(self._parser.literal(plain))
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def _repeated(self, body: Node) -> Node:
        mark = self._pieces[self._at]
        if mark == "?":
            self._at += 1
            return Repeat(body, 0, 1)
        if mark[:1] == "{" and len(mark) > 1:
            self._at += 1
            low, _, high = mark[1:-1].partition(",")
            if not low.isdecimal() or (high and not high.isdecimal()):
                self._fail("a repetition is {n} or {m,n}: not " + mark)
            least, most = int(low), int(high or low)
            if not 1 <= most <= MAX_REPEAT or least > most:
                self._fail(f"a repetition has 1 to {MAX_REPEAT} rounds, in order: not {mark}")
            return Repeat(body, least, most)
        return body

    def _atom(self, piece: str) -> Node:
        if piece == "(":
            node = self._choice()
            if self._pieces[self._at] != ")":
                self._fail("missing ')'")
            self._at += 1
            return node
        if piece == ".":
            return Excluding(frozenset())
        if len(piece) > 1 and piece[0] == "[":
            return self._character_class(piece[1:-1])
        if len(piece) > 1 and piece[0] == "<":
            return self._parser.word_list(piece[1:-1], evasive=self._evasive)
        if piece in _SPECIAL or piece[0] == "{":
            self._fail(f"{piece!r} means nothing here")
        if self._evasive and len(piece) == 1:
            return self._parser.spelled(piece)
        return self._parser.literal(piece[-1])

    def _character_class(self, inside: str) -> Node:
        members: set[str] = set()
        for low, high, single in _RANGES.findall(inside.removeprefix("^")):
            members.update((single,) if single else map(chr, range(ord(low), ord(high) + 1)))
        if inside.startswith("^"):
            return Excluding(members)
        if not members:
            self._fail("an empty class")
        return Words(members)
