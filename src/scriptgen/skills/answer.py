"""Answers questions about the craft, the product and the service; declines what is not its business.

Rules answer first; only a question they do not know goes to the model. The reply is never a script.
"""

from __future__ import annotations

import msgspec

from scriptgen.agents.answer import AnswerAgent
from scriptgen.domain.intent import Intent
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan

from .knowledge import AnswerBook, answer_from_product, answer_from_profile
from .protocol import SkillContext
from .tasks import category_of


class AnswerSkill(msgspec.Struct, frozen=True):
    """`answers` asks the model; None where only the template writer is configured."""

    answers: AnswerAgent | None = None
    book: AnswerBook = msgspec.field(default_factory=AnswerBook.packaged)
    name: str = "answer"
    display_name: str = "答疑"
    description: str = "回答怎么写、哪些词不能说、各环节讲什么、这个服务能做什么；不相干的话题礼貌带过。"
    intents: tuple[IntentType, ...] = (IntentType.QUERY, IntentType.OTHER)
    required_slots: tuple[str, ...] = ()

    def claims(self, intent: Intent, query: str) -> bool:
        del query
        return intent.type in self.intents

    async def plan(self, context: SkillContext) -> SkillPlan:
        category = category_of(context)
        if context.intent.type is IntentType.OTHER:
            return SkillPlan(reply=self.book.decline(context.query))
        question = context.resolved_query or context.query
        known = (
            answer_from_product(context.query, context.product)
            or answer_from_profile(context.query, context.profile)
            or self.book.answer(context.query, category)
            or self.book.answer(question, category)
        )
        if known:
            return SkillPlan(reply=known)
        if self.answers is None or not self.answers.available:
            return SkillPlan(reply=self.book.unknown(category))
        answer = await self.answers.answer(
            question, context.conversation, category=category, deadline=context.deadline
        )
        return SkillPlan(reply=answer.text or self.book.unknown(category), usage=answer.usage)
