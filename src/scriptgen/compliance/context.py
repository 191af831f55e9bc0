"""What stands around a hit and may excuse it: denial, warning, a title, evidence, one's own range, a fact.

Contexts are data: pairs of regular expressions on the sentence left and right of the hit. They never find
anything by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

_KEYS: Final = frozenset(("before", "after", "inside", "categories"))


class Context(msgspec.Struct, frozen=True):
    """Holds when one of its patterns does: `before` is searched in the sentence up to the hit, `after` must
    match from the end of the hit, `inside` is searched in the hit. With `categories` it holds only there.
    """

    before: re.Pattern[str] | None = None
    after: re.Pattern[str] | None = None
    inside: re.Pattern[str] | None = None
    categories: frozenset[str] = frozenset()

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Context:
        """Raises ValueError or `re.error` when the data is not a context."""
        if not isinstance(data, dict) or not set(data) <= _KEYS:
            raise ValueError(f"a context has the keys {', '.join(sorted(_KEYS))}")
        patterns = {key: re.compile(data[key]) for key in ("before", "after", "inside") if key in data}
        if not patterns:
            raise ValueError("a context needs before, after or inside")
        return cls(**patterns, categories=frozenset(data.get("categories", ())))


class Excuses:
    """The contexts of one rule of which any may hold, laid out to be asked quickly: a dense text asks some
    thousand times.
    """

    __slots__ = ("_after", "_before", "_inside")

    def __init__(self, contexts: Iterable[Context]) -> None:
        listed = tuple(contexts)
        self._before = tuple((c.before.search, c.categories) for c in listed if c.before is not None)
        self._after = tuple((c.after.match, c.categories) for c in listed if c.after is not None)
        self._inside = tuple((c.inside.search, c.categories) for c in listed if c.inside is not None)

    def hold(self, sentence: str, start: int, end: int, category: str) -> bool:
        for search, only in self._before:
            if (not only or category in only) and search(sentence, 0, start) is not None:
                return True
        for match, only in self._after:
            if (not only or category in only) and match(sentence, end) is not None:
                return True
        hit = sentence[start:end]
        return any(
            (not only or category in only) and search(hit) is not None for search, only in self._inside
        )


def joined(contexts: Iterable[Context]) -> Context:
    """One context that holds when any of `contexts`, none of them of one category, does."""
    listed = tuple(contexts)
    return Context(
        before=_either(c.before for c in listed),
        after=_either(c.after for c in listed),
        inside=_either(c.inside for c in listed),
    )


def _either(patterns: Iterable[re.Pattern[str] | None]) -> re.Pattern[str] | None:
    present = [f"(?:{pattern.pattern})" for pattern in patterns if pattern is not None]
    return re.compile("|".join(present)) if present else None
