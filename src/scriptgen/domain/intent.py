"""What was understood from a query: type, slots, references, and what to ask when it is not enough."""

from __future__ import annotations

import msgspec

from .vocabulary import IntentType


class Slots(msgspec.Struct, frozen=True):
    """Slot values in the terms of domain.vocabulary; "" and () mean not stated.

    `product_name`, `selling_points`, `target_name`, `price` and `length` are exact substrings of what was
    typed. `extra` holds the batch lists (`batch_sub_scenarios`, `batch_products`, `batch_events`, joined by
    "、") and `batch_count`.
    """

    category: str = ""
    scenario: str = ""
    sub_scenario: str = ""
    event: str = ""
    product_name: str = ""
    selling_points: tuple[str, ...] = ()
    target_name: str = ""
    styles: tuple[str, ...] = ()
    price: str = ""
    length: str = ""
    extra: dict[str, str] = msgspec.field(default_factory=dict)


class Intent(msgspec.Struct, frozen=True):
    """The result of intent recognition.

    `refers_to_turn` is the index of the turn whose script (or clarification) is meant, None when none is.
    `continuation` is true when the turn goes on from an earlier one (再来一段) and inherits its slots.
    `product_switched` is true when another product took the place of the session's.
    `missing_slots` is non-empty exactly when the service would ask back.
    `source_text` is a script pasted into the query, "" when none.
    `tier` says who decided: "rules", "llm" or "cache".
    """

    type: IntentType
    confidence: float  # 0..1
    slots: Slots = msgspec.field(default_factory=Slots)
    missing_slots: tuple[str, ...] = ()
    refers_to_turn: int | None = None
    continuation: bool = False
    product_switched: bool = False
    source_text: str = ""
    tier: str = "rules"


class Clarification(msgspec.Struct, frozen=True):
    """A question to the operator. `options` are answers that can be sent back as they are."""

    question: str
    missing_slots: tuple[str, ...]
    options: tuple[str, ...] = ()


class PendingRequest(msgspec.Struct, frozen=True):
    """A request that was answered by a clarification and waits for the next turn to complete it."""

    turn_index: int
    query: str
    intent: Intent
