"""What the intent of an instruction is decided on. Decides nothing but whether several scripts are meant."""

from __future__ import annotations

import re

import msgspec

from . import patterns as p
from .lexicon import Mention

#: 全套99, 两条才158: what is counted has a price.
_PRICED = re.compile(
    r"(?:才|只要|只|就|一共|总共|共|打包|到手|卖|仅|不到|价)*\d{2,5}(?:\.\d{1,2})?(?:元|块)?"
    r"(?=$|[,，。!！\s]|包邮|到手|带走|拿走)"
)


class Signals(msgspec.Struct, frozen=True):
    """What the decision is made on. `text` is the stripped instruction; `listed` is the length of the longest
    list of scenes, products or events; `has_script` is about the conversation, `has_source` about the query;
    `replaces` tells that quoted words or a name are to take the place of others.
    """

    text: str
    mentions: tuple[Mention, ...]
    has_product: bool
    has_name: bool
    has_script: bool
    has_source: bool
    listed: int
    replaces: bool = False

    @property
    def names_scene(self) -> bool:
        return any(m.kind in {"sub_scenario", "scenario", "weak_sub"} for m in self.mentions)

    @property
    def in_domain(self) -> bool:
        return bool(self.mentions) or self.has_product or bool(p.NOUN.search(self.text))

    @property
    def is_batch(self) -> bool:
        return self.listed > 1 or many(self.text, self.mentions)


def many(text: str, mentions: tuple[Mention, ...] = ()) -> bool:
    """Whether several scripts are asked for: 全套, 各来一段, 三条."""
    if p.EACH.search(text) or any(not _PRICED.match(text, w.end()) for w in p.WHOLE.finditer(text)):
        return True
    dates = [m for m in mentions if m.kind == "event"]
    counts = (c for c in p.MANY.finditer(text) if not any(m.start <= c.start() < m.end for m in dates))
    return any(not _counts_goods(text, count, mentions) for count in counts)


def _counts_goods(text: str, match: re.Match[str], mentions: tuple[Mention, ...]) -> bool:
    """两条长裤99, 三条29带走: a number of the product itself, unless it is asked for (写两条长裤的短视频)."""
    if _PRICED.match(text, match.end()):
        return True
    product = next((m for m in mentions if m.kind == "product" and 0 <= m.start - match.end() <= 2), None)
    asked_for = p.ASKED_FOR.search(text[: match.start()])
    return (
        product is not None
        and match[0][-1] in "条套份"
        and not asked_for
        and not p.SCRIPTS_OF.match(text, product.end)
    )
