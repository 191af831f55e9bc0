"""Which product a turn is about, and what of an earlier product must not be heard any more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.session import Product

_NUMBER: Final = re.compile(r"\d+(?:\.\d+)?")
_LONGEST_TERM: Final = 30  # a longer phrase is never repeated literally
_SHORTEST_FACT: Final = 3  # 中国, 红色: too common to belong to one product


def effective_product(
    current: Product, override: Product | None, intent: Intent
) -> tuple[Product, tuple[str, ...]]:
    """The product of this turn and the forbidden terms.

    `current` is the session's, `override` the request's own (both may be empty), `intent` what was typed.
    Typed price and selling points come on top. When the product is another one, nothing of the old one is
    kept, and its names, selling points, price and facts are forbidden unless the new one shares them.
    """
    product = _with_override(current, override)
    slots = intent.slots
    if slots.product_name and _is_another(product, slots.product_name, intent):
        product = Product(name=slots.product_name)
    product = replace(
        product,
        name=product.name or slots.product_name,
        price=slots.price or product.price,
        selling_points=tuple(dict.fromkeys((*slots.selling_points, *product.selling_points))),
    )
    switched = bool(current.name) and bool(product.name) and not _same_name(current.name, product.name)
    return product, _forbidden(current, product) if switched else ()


def _with_override(current: Product, override: Product | None) -> Product:
    if override is None:
        return current
    if override.name and current.name and not _same_name(override.name, current.name):
        return override
    return Product(
        product_id=override.product_id or current.product_id,
        name=override.name or current.name,
        brand=override.brand or current.brand,
        price=override.price or current.price,
        selling_points=override.selling_points or current.selling_points,
        facts={**current.facts, **override.facts},
    )


def _is_another(product: Product, typed: str, intent: Intent) -> bool:
    if not product.name:
        return False
    if intent.product_switched:
        return typed != product.name
    return not _same_name(product.name, typed)


def _same_name(one: str, other: str) -> bool:
    """唇釉 and 桃桃唇釉 are one product until somebody says that it changed."""
    return one in other or other in one


def _forbidden(old: Product, new: Product) -> tuple[str, ...]:
    kept = "\n".join((new.name, new.brand, new.price, *new.selling_points, *new.facts.values()))
    numbers = set(_NUMBER.findall(kept))
    return tuple(
        dict.fromkeys(
            term
            for term in _terms(old)
            if 2 <= len(term) <= _LONGEST_TERM and term not in kept and term not in numbers
        )
    )


def _terms(product: Product) -> Iterator[str]:
    yield product.name
    yield product.brand
    yield from product.selling_points
    yield from _NUMBER.findall(product.price)
    yield from (value for value in product.facts.values() if len(value) >= _SHORTEST_FACT)
