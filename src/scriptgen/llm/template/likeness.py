"""How alike two texts are: the measure that keeps the versions of a session apart."""

from __future__ import annotations


def trigrams(text: str) -> frozenset[str]:
    """The three-character windows of a text without white space."""
    dense = "".join(text.split())
    return frozenset(dense[i : i + 3] for i in range(len(dense) - 2))


def similarity(left: str, right: str) -> float:
    """Jaccard similarity of the trigrams, 0..1."""
    a, b = trigrams(left), trigrams(right)
    return len(a & b) / len(a | b) if a or b else 1.0
