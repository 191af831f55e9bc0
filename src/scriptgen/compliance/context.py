"""What stands around a hit and may excuse it: denial, warning, a title, evidence, one's own range, a fact.

Contexts are data: pairs of regular expressions on the sentence left and right of the hit. They never find
anything by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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

    def holds(self, sentence: str, start: int, end: int, category: str) -> bool:
        if self.categories and category not in self.categories:
            return False
        return (
            (self.before is not None and self.before.search(sentence, 0, start) is not None)
            or (self.after is not None and self.after.match(sentence, end) is not None)
            or (self.inside is not None and self.inside.search(sentence[start:end]) is not None)
        )
