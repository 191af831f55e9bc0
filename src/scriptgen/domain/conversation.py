"""What earlier turns mean for the next one: the bounded window of history that agents and skills read."""

from __future__ import annotations

import msgspec

from .intent import Intent, PendingRequest, Slots
from .session import Product, Script, Session
from .vocabulary import GenerationStatus


class HistoryTurn(msgspec.Struct, frozen=True):
    """One earlier exchange. `reply` is what the operator saw (script text or answer); `intent` is None when
    only the raw texts are known (stateless recognition).
    """

    turn_index: int
    query: str
    reply: str
    intent: Intent | None = None
    scripts: tuple[Script, ...] = ()
    status: GenerationStatus = GenerationStatus.COMPLETED


class ConversationContext(msgspec.Struct, frozen=True):
    """Everything that may change what a query means. `history` is oldest first and bounded."""

    category: str = ""
    influencer_name: str = ""
    product: Product = msgspec.field(default_factory=Product)
    slots: Slots = msgspec.field(default_factory=Slots)
    history: tuple[HistoryTurn, ...] = ()
    pending: PendingRequest | None = None
    summary: str = ""


class Understanding(msgspec.Struct, frozen=True):
    """An intent and the query rewritten so that it stands alone (references and inherited slots spelled
    out).
    """

    intent: Intent
    resolved_query: str


def conversation_of(session: Session) -> ConversationContext:
    """The context a stored session gives the next turn."""
    head = session.head
    scripts: dict[int, list[Script]] = {}
    for script in session.scripts:
        scripts.setdefault(script.turn_index, []).append(script)
    return ConversationContext(
        category=head.category,
        influencer_name=head.influencer.name,
        product=head.product,
        slots=head.slots,
        history=tuple(
            HistoryTurn(
                turn_index=turn.turn_index,
                query=turn.query,
                reply="\n\n".join(s.content for s in scripts.get(turn.turn_index, ())) or turn.reply,
                intent=turn.intent,
                scripts=tuple(scripts.get(turn.turn_index, ())),
                status=turn.status,
            )
            for turn in session.turns
        ),
        pending=head.pending,
        summary=head.summary,
    )
