"""Rewrites a query so that it stands alone: what was inherited or referred to is spelled out behind it."""

from __future__ import annotations

from scriptgen.domain.conversation import ConversationContext
from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType


def resolved_query(query: str, intent: Intent, context: ConversationContext) -> str:
    """再来一段 → 再来一段：螺蛳粉，直播带货，逼单话术. The typed text stays as it is in front."""
    if intent.type in {IntentType.QUERY, IntentType.OTHER}:
        return query
    slots = intent.slots
    values = [
        slots.product_name or (context.product.name if not slots.extra.get("batch_products") else ""),
        slots.event,
        slots.scenario,
        slots.sub_scenario,
        *slots.selling_points,
        slots.price,
        *(f"{style}风格" for style in slots.styles),
        slots.target_name,
        slots.length,
        *slots.extra.get("batch_sub_scenarios", "").split("、"),
    ]
    added = list(
        dict.fromkeys(v for v in values if v and v not in query and v.removesuffix("风格") not in query)
    )
    asked = context.pending.query if context.pending and intent.continuation else ""
    if asked and asked not in query:
        query = f"{asked}，{query}"
        added = [v for v in added if v not in query]
    if intent.refers_to_turn is not None and not intent.continuation and not asked:
        added.append(f"指第{intent.refers_to_turn + 1}轮的话术")
    return f"{query.rstrip('：:，,。 ')}：{'，'.join(added)}" if added else query
