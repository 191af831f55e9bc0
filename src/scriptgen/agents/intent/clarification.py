"""Words the question that is asked back when a request lacks what it needs, and answers to choose from."""

from __future__ import annotations

from scriptgen.domain.conversation import ConversationContext
from scriptgen.domain.intent import Clarification, Intent
from scriptgen.domain.vocabulary import IntentType

#: A few products that an operator without a list at hand may simply pick; each names its category too.
_PRODUCT_OPTIONS = ("卖口红", "卖螺蛳粉", "卖羽绒服", "卖蓝牙耳机")
_WORK = {
    IntentType.SCRIPT_MODIFICATION: "改",
    IntentType.SCRIPT_OPTIMIZATION: "润色",
    IntentType.SCRIPT_TRANSLATION: "转写",
}


def clarify(intent: Intent, context: ConversationContext) -> Clarification:
    """A question as a colleague would put it; every option completes the request when sent back alone."""
    missing = intent.missing_slots
    if "script" in missing:
        work = _WORK.get(intent.type, "改")
        if any(turn.scripts for turn in context.history):
            versions = sorted(s.version for turn in context.history for s in turn.scripts)
            return Clarification(
                f"我这边没找到您说的那一版，目前写到第{versions[-1]}版，您想{work}哪一版？",
                missing,
                tuple(f"{_verb(intent)}第{version}版" for version in versions[-3:]),
            )
        return Clarification(
            f"要{work}的话术我这边还没看到，把原文直接发给我就行，或者告诉我卖什么，我先写一版？",
            missing,
            ("帮我写一段口红的直播开场话术", "帮我写一段螺蛳粉的逼单话术"),
        )
    if "product_name" in missing or "category" in missing:
        scene = intent.slots.sub_scenario or intent.slots.scenario or "话术"
        batch = intent.type is IntentType.BATCH_GENERATION
        lead = "整套话术没问题" if batch else f"{scene}没问题"
        return Clarification(f"{lead}，请问这场主要卖什么产品，或者哪个品类呀？", missing, _PRODUCT_OPTIONS)
    product = intent.slots.product_name or context.product.name
    subject = f"{product}的" if product else ""
    return Clarification(
        f"想先跟您确认一下，{subject}话术要写哪一种？",
        missing,
        tuple(f"写一段{subject}{scene}" for scene in ("开场话术", "产品介绍", "逼单话术")),
    )


def _verb(intent: Intent) -> str:
    if intent.type is IntentType.SCRIPT_OPTIMIZATION:
        return "润色一下"
    if intent.type is IntentType.SCRIPT_TRANSLATION:
        return "转写"
    return "改一下"
