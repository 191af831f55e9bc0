"""An influencer's learned way of speaking, merged from several sources with a confidence."""

from __future__ import annotations

import msgspec


class StyleProfile(msgspec.Struct, frozen=True):
    """Features of speech; ratios are 0..1, `avg_sentence_length` is in characters.

    `samples` counts the scripts it was learned from; `confidence` grows with them. `revision` is the
    compare-and-set counter of the stored profile, 0 when it was never stored. `first_person` tells whether
    the influencer may speak of own experience (我自己用了半个月).
    """

    influencer_name: str = ""
    tone: str = ""
    formality: float = 0.4
    humor: float = 0.3
    interaction: float = 0.5
    avg_sentence_length: float = 16.0
    catchphrases: tuple[str, ...] = ()
    address: tuple[str, ...] = ()  # how viewers are called: 姐妹们, 家人们
    particles: float = 0.2  # sentence-final particles (呀 呢 啦 哦) per sentence
    exclamation: float = 0.3  # share of sentences that end in ！
    first_person: bool = False
    samples: int = 0
    confidence: float = 0.0
    revision: int = 0
