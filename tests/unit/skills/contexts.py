"""Builders of skill contexts: a session with some scripts, and one understood request."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.intent import Intent, Slots
from scriptgen.domain.session import Influencer, Product, Script, SessionHead
from scriptgen.domain.vocabulary import IntentType
from scriptgen.skills.protocol import SkillContext

LIPSTICK = Product(
    name="桃桃唇釉",
    brand="小白鸭",
    price="59元",
    selling_points=("不沾杯", "显白"),
    facts={"净含量": "3.5克", "产地": "上海"},
)


def script(
    number: int, content: str, turn: int, *, scene: str = "开场话术", product: str = "桃桃唇釉"
) -> Script:
    return Script(
        script_id=f"s{number}",
        content=content,
        category="美妆",
        sub_scenario=scene,
        product_name=product,
        turn_index=turn,
        version=number,
    )


def context(
    kind: IntentType,
    query: str,
    *,
    slots: Slots | None = None,
    turns: Sequence[Sequence[Script]] = (),
    product: Product = LIPSTICK,
    request_product: Product | None = None,
    refers_to_turn: int | None = None,
    continuation: bool = False,
    product_switched: bool = False,
    source_text: str = "",
) -> SkillContext:
    history = tuple(
        HistoryTurn(
            index, f"第{index}轮的要求", "\n\n".join(s.content for s in scripts), scripts=tuple(scripts)
        )
        for index, scripts in enumerate(turns)
    )
    intent = Intent(
        type=kind,
        confidence=0.9,
        slots=slots or Slots(),
        refers_to_turn=refers_to_turn,
        continuation=continuation,
        product_switched=product_switched,
        source_text=source_text,
    )
    head = SessionHead(
        "tenant_a",
        "session_1",
        influencer=Influencer(name="林小满", audience="上班族"),
        category="美妆",
        product=product,
    )
    return SkillContext(
        query=query,
        resolved_query=query,
        intent=intent,
        conversation=ConversationContext(
            category="美妆", influencer_name="林小满", product=product, history=history
        ),
        session=head,
        request_product=request_product,
        seed="seed-1",
    )


def with_seed(context: SkillContext, seed: str) -> SkillContext:
    return replace(context, seed=seed)
