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

from .templates import CLAUSE_ENDS, Chain, Choice, Gap, Node, Repeat, Words, may_begin_with_anything

MAX_REPEAT: Final = 24
_SPECIAL: Final = frozenset("()|?{}[]<>.\\*+")
_PLAIN: Final = r"[^()|?{}\[\]<>.\\*+]"
#: A choice between plain words is one piece, and so are plain characters of which the last is not repeated.
_PIECES: Final = re.compile(
    rf"\\.|\{{[^}}]*\}}|\[[^\]]*\]|<[^>]*>|\({_PLAIN}+(?:\|{_PLAIN}+)*\)|{_PLAIN}+(?![?{{])|.", re.DOTALL
)
_RANGES: Final = re.compile(r"(.)-(.)|(.)", re.DOTALL)
_ENDS: Final = frozenset(("", "|", ")"))
_REPEATS: Final = frozenset("?{")


class TemplateParser:
    """Reads the templates of one lexicon file. The characters of an evasive template, and those of the word
    lists of `spelled_words` in it, may also stand in their other spellings (homophones, pinyin).
    """

    def __init__(self, words: Mapping[str, Sequence[str]], spelled_words: AbstractSet[str]) -> None:
        self._words = words
        self._spelled_words = spelled_words
        self._lists: dict[tuple[str, bool], Node] = {}
        self._literals: dict[tuple[str, bool], Node] = {}
        self._excluding: dict[str, Node] = {}
        self._open: list[str] = []

    def parse(self, template: str, *, evasive: bool = False) -> Node:
        """Raises ValueError, naming the template, when it is malformed or could begin with anything."""
        node = self._read(template, evasive=evasive)
        if node.least == 0:
            raise ValueError(f"template {template!r} would match nothing at all")
        if may_begin_with_anything(node):
            raise ValueError(f"template {template!r} must not begin with '.' or '[^…]'")
        return node

    def _read(self, template: str, *, evasive: bool) -> Node:
        return _Reading(self, template, evasive=evasive).whole()

    def literal(self, words: str, *, evasive: bool) -> Node:
        """One of some words that stand between "|"."""
        node = self._literals.get((words, evasive))
        if node is None:
            node = self._literals[words, evasive] = Words(words.split("|"), spelled=evasive)
        return node

    def excluding(self, inside: str) -> Node:
        """One character that is not in the class `inside`."""
        node = self._excluding.get(inside)
        if node is None:
            node = self._excluding[inside] = Gap(CLAUSE_ENDS | _members(inside), 1, 1)
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
        literal = [w for w in words if not _SPECIAL.intersection(w)]
        options = [self._read(w, evasive=spelled) for w in words if _SPECIAL.intersection(w)]
        if literal:
            options.insert(0, Words(literal, spelled=spelled))
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
        while (piece := self._pieces[self._at]) not in _ENDS:
            self._at += 1
            node = self._atom(piece)
            if self._pieces[self._at][:1] in _REPEATS:
                node = self._repeated(node)
            parts.append(node)
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def _repeated(self, body: Node) -> Node:
        mark = self._pieces[self._at]
        if mark == "{":
            return body  # found to mean nothing when it is read
        self._at += 1
        low, _, high = mark[1:-1].partition(",") if mark != "?" else ("0", ",", "1")
        if not low.isdecimal() or (high and not high.isdecimal()):
            self._fail("a repetition is {n} or {m,n}: not " + mark)
        least, most = int(low), int(high or low)
        if not 1 <= most <= MAX_REPEAT or least > most:
            self._fail(f"a repetition has 1 to {MAX_REPEAT} rounds, in order: not {mark}")
        if isinstance(body, Gap) and body.least == body.most == 1:
            return Gap(body.members, least, most)
        return Repeat(body, least, most)

    def _atom(self, piece: str) -> Node:
        kind, inside = piece[0], piece[1:-1]
        if kind not in _SPECIAL:
            return self._parser.literal(piece, evasive=self._evasive)
        if kind == "(":
            return self._parser.literal(inside, evasive=self._evasive) if inside else self._group()
        if piece == ".":
            return self._parser.excluding("")
        if len(piece) == 1 or kind == "{":
            self._fail(f"{piece!r} means nothing here")
        if kind == "[":
            return self._character_class(inside)
        if kind == "<":
            return self._parser.word_list(inside, evasive=self._evasive)
        return Words([piece[1:]])

    def _group(self) -> Node:
        node = self._choice()
        if self._pieces[self._at] != ")":
            self._fail("missing ')'")
        self._at += 1
        return node

    def _character_class(self, inside: str) -> Node:
        if inside.startswith("^"):
            return self._parser.excluding(inside[1:])
        if not inside:
            self._fail("an empty class")
        return Words(_members(inside))


def _members(inside: str) -> set[str]:
    members: set[str] = set()
    for low, high, single in _RANGES.findall(inside):
        members.update((single,) if single else map(chr, range(ord(low), ord(high) + 1)))
    return members
