"""The service's answers that need no generation: recognising, reviewing, listing skills, adopting."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from scriptgen.domain.conversation import ConversationContext, conversation_of
from scriptgen.domain.identity import Principal
from scriptgen.domain.intent import Clarification, Intent
from scriptgen.domain.quality import QualityReport
from scriptgen.domain.session import Product, Script, SessionKey, Style
from scriptgen.skills.protocol import SkillDescription

from .run import Workshop
from .sessions import Sessions, session_not_found


class Recognized(msgspec.Struct, frozen=True):
    """An intent, and what the service would ask when something is missing."""

    intent: Intent
    clarification: Clarification | None


class Desk:
    """Works with the same agents as generations do, so that what it says is what they would do."""

    def __init__(self, workshop: Workshop, sessions: Sessions) -> None:
        self._workshop = workshop
        self._sessions = sessions

    async def recognize(
        self,
        principal: Principal,
        query: str,
        *,
        session_id: str,
        context: ConversationContext,
        deadline: float | None,
    ) -> Recognized:
        """Understand `query` in a session's history, or in `context` when `session_id` is ""."""
        if session_id:
            opened = await self._sessions.open(SessionKey(principal.tenant_id, session_id), principal, None)
            if opened.session is None:
                raise session_not_found()
            context = conversation_of(opened.session)
        agent = self._workshop.intent
        intent = (await agent.recognize(query, context, deadline=deadline)).intent
        return Recognized(intent, agent.clarification(intent, context) if intent.missing_slots else None)

    def review(
        self, text: str, *, category: str, product: Product | None, style: Style | None
    ) -> QualityReport:
        """The verdict of the checker that guards generation."""
        return self._workshop.quality.review_text(text, category=category, product=product, style=style)

    def skills(self) -> Sequence[SkillDescription]:
        return self._workshop.skills.describe()

    async def adopt(self, key: SessionKey, principal: Principal, script_id: str, edited: str) -> Script:
        """Mark the script adopted and learn the influencer's style from what was really said."""
        script, head, newly = await self._sessions.adopt(key, principal, script_id)
        if head.influencer.name and (newly or edited):
            await self._workshop.profiles.adopt(
                key.tenant_id,
                head.influencer,
                script.content,
                edited,
                category=script.category,
                product_terms=(script.product_name, head.product.brand),
            )
        return script
