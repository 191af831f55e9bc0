r"""The small pattern language of the lexicon: its nodes, what each may begin with, and what is left after a character.

A template is a regular expression without unbounded repetition, so every match has a known longest length:
that bound is what lets the streaming guard release text early. Texts are not searched here.

    abc        these characters                      (a|b)      one of
    x?         optional                              x{2,4}     two to four times
    \+         the character itself
    [abc0-9]   one of these                          [^abc]     one other character of the same clause
    .          any character of the same clause      <name>     one of the lexicon's word list `name`

The remainders are Antimirov's partial derivatives (Theoretical Computer Science 155(2), 1996): nothing is
built for a template until a text reaches it, and a word list is one node however many templates name it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import Final

#: Characters no `.` and no `[^…]` matches: sentence and clause ends, and the boundary mark of `normalise`.
CLAUSE_ENDS: Final = frozenset("。!?;\n\r,、…\x00\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
MAX_REPEAT: Final = 24
_TOKENS: Final = re.compile(r"\\.|\{[^}]*\}|\[[^\]]*\]|<[^>]*>|.", re.DOTALL)
_RANGES: Final = re.compile(r"(.)-(.)|(.)", re.DOTALL)


class Node:
    """`least` and `most` bound the characters of a match. `named` are the characters that are told apart at
    its beginning; all others are alike, and may begin a match only of an `open` node.
    """

    __slots__ = ("least", "most", "named", "open")

    def __init__(self, least: int, most: int, named: AbstractSet[str], *, is_open: bool = False) -> None:
        self.least = least
        self.most = most
        self.named = named
        self.open = is_open

    def after(self, character: str) -> tuple[Remainder, ...]:
        """What may follow once a match has begun with `character`; "" is any that is not named."""
        raise NotImplementedError


#: Nodes still to be matched one after the other.
Remainder = tuple[Node, ...]


def after(remainder: Remainder, character: str) -> list[Remainder]:
    """What is left of a remainder after one more character, one entry for each way to read it."""
    left: list[Remainder] = []
    for index, node in enumerate(remainder):
        if node.open or character in node.named:
            rest = remainder[index + 1 :]
            left.extend(each + rest for each in node.after(character))
        if node.least:
            break
    return left


def leading(remainder: Remainder) -> Iterator[Node]:
    """The nodes the next character may belong to."""
    for node in remainder:
        yield node
        if node.least:
            break


def complete(remainder: Remainder) -> bool:
    """Whether a match may end here."""
    return not any(node.least for node in remainder)


class Excluding(Node):
    """One character of the clause that is none of `members`."""

    __slots__ = ()

    def __init__(self, members: AbstractSet[str]) -> None:
        super().__init__(1, 1, CLAUSE_ENDS | members, is_open=True)

    def after(self, character: str) -> tuple[Remainder, ...]:
        return () if character in self.named else ((),)


class Words(Node):
    """One of some non-empty words; with `may_end` also nothing."""

    __slots__ = ("_after", "_tails")

    def __init__(self, words: Iterable[str], *, may_end: bool = False) -> None:
        tails: dict[str, list[str]] = {}
        sizes = set()
        for word in words:
            sizes.add(len(word))
            tails.setdefault(word[0], []).append(word[1:])
        super().__init__(0 if may_end else min(sizes), max(sizes), tails.keys())
        self._tails = tails
        self._after: dict[str, tuple[Remainder, ...]] = {}

    def after(self, character: str) -> tuple[Remainder, ...]:
        known = self._after.get(character)
        if known is None:
            tails = self._tails.get(character)
            if tails is None:
                return ()
            longer = [tail for tail in tails if tail]
            ends = len(longer) < len(tails)
            known = self._after[character] = ((Words(longer, may_end=ends),),) if longer else ((),)
        return known


class Chain(Node):
    """Nodes one after the other."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Remainder) -> None:
        named, is_open = _beginning(leading(parts))
        super().__init__(sum(p.least for p in parts), sum(p.most for p in parts), named, is_open=is_open)
        self._parts = parts

    def after(self, character: str) -> tuple[Remainder, ...]:
        return tuple(after(self._parts, character))


class Choice(Node):
    """One of some nodes."""

    __slots__ = ("_after", "_options")

    def __init__(self, options: Sequence[Node]) -> None:
        named, is_open = _beginning(options)
        super().__init__(
            min(o.least for o in options), max(o.most for o in options), named, is_open=is_open
        )
        self._options = options
        self._after: dict[str, tuple[Remainder, ...]] = {}

    def after(self, character: str) -> tuple[Remainder, ...]:
        if character not in self.named:
            character = ""
        known = self._after.get(character)
        if known is None:
            options = (o for o in self._options if o.open or character in o.named)
            known = tuple(chain.from_iterable(option.after(character) for option in options))
            self._after[character] = known
        return known


class Repeat(Node):
    """`body` from `rounds` to `limit` times."""

    __slots__ = ("_body", "_fewer")

    def __init__(self, body: Node, rounds: int, limit: int) -> None:
        super().__init__(rounds * body.least, limit * body.most, body.named, is_open=body.open)
        self._body = body
        self._fewer: Remainder = (Repeat(body, max(rounds - 1, 0), limit - 1),) if limit > 1 else ()

    def after(self, character: str) -> tuple[Remainder, ...]:
        return tuple(each + self._fewer for each in self._body.after(character))


def _beginning(nodes: Iterable[Node]) -> tuple[AbstractSet[str], bool]:
    named: set[str] = set()
    is_open = False
    for node in nodes:
        named |= node.named
        is_open = is_open or node.open
    return named, is_open


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


_SPECIAL: Final = frozenset("()|?{}[]<>.\\*+")


class _Reading:
    """The state of reading one template."""

    def __init__(self, parser: TemplateParser, template: str, *, evasive: bool) -> None:
        self._parser = parser
        self._template = template
        self._evasive = evasive
        self._tokens = [*_TOKENS.findall(template), ""]
        self._at = 0

    def whole(self) -> Node:
        node = self._choice()
        if self._tokens[self._at]:
            self._fail(f"unexpected {self._tokens[self._at]!r}")
        return node

    def _fail(self, what: str) -> None:
        raise ValueError(f"{what} in template {self._template!r}")

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._tokens[self._at] == "|":
            self._at += 1
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(options)

    def _sequence(self) -> Node:
        parts: list[Node] = []
        plain = ""  # characters not yet made a node, because the next token may repeat the last of them
        while (token := self._tokens[self._at]) not in {"", "|", ")"}:
            self._at += 1
            character = token[-1] if len(token) == 1 or token[0] == "\\" else ""
            following = self._tokens[self._at]
            if character and (token[0] == "\\" or token not in _SPECIAL) and following[:1] not in {"?", "{"}:
                if not (self._evasive and self._parser.has_other_spellings(character)):
                    plain += character
                    continue
            if plain:
                parts.append(self._parser.literal(plain))
                plain = ""
            parts.append(self._repeated(self._atom(token)))
        if plain:
            parts.append(self._parser.literal(plain))
        return parts[0] if len(parts) == 1 else Chain(tuple(parts))

    def _repeated(self, body: Node) -> Node:
        mark = self._tokens[self._at]
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

    def _atom(self, token: str) -> Node:
        if token == "(":
            node = self._choice()
            if self._tokens[self._at] != ")":
                self._fail("missing ')'")
            self._at += 1
            return node
        if token == ".":
            return Excluding(frozenset())
        if len(token) > 1 and token[0] == "[":
            return self._character_class(token[1:-1])
        if len(token) > 1 and token[0] == "<":
            return self._parser.word_list(token[1:-1], evasive=self._evasive)
        if token in _SPECIAL or token[0] == "{":
            self._fail(f"{token!r} means nothing here")
        if self._evasive and len(token) == 1:
            return self._parser.spelled(token)
        return self._parser.literal(token[-1])

    def _character_class(self, inside: str) -> Node:
        members: set[str] = set()
        for low, high, single in _RANGES.findall(inside.removeprefix("^")):
            members.update((single,) if single else map(chr, range(ord(low), ord(high) + 1)))
        if inside.startswith("^"):
            return Excluding(members)
        if not members:
            self._fail("an empty class")
        return Words(members)
