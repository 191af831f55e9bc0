"""What a skill is given and what it must do: turn an understood request into writing tasks or a reply.

A skill plans; it neither writes scripts nor stores anything.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from scriptgen.agents.answer import LanguageModel
from scriptgen.domain.conversation import ConversationContext
from scriptgen.domain.generation import GenerationParameters
from scriptgen.domain.intent import Intent
from scriptgen.domain.profile import StyleProfile
from scriptgen.domain.session import Product, SessionHead
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan

from .product import effective_product


class SkillContext(msgspec.Struct, frozen=True):
    """One request, understood. `request_product` is the request's own, over the session's.

    `seed` is the same for every attempt at the same request. `model` serves skills that ask it themselves;
    tasks are written by the workflow. `deadline` is on the event loop's clock.
    """

    query: str
    resolved_query: str
    intent: Intent
    conversation: ConversationContext
    session: SessionHead
    request_product: Product | None = None
    profile: StyleProfile = msgspec.field(default_factory=StyleProfile)
    parameters: GenerationParameters = msgspec.field(default_factory=GenerationParameters)
    request_id: str = ""
    seed: str = ""
    model: LanguageModel | None = None
    deadline: float | None = None

    @property
    def product(self) -> Product:
        """What is sold in this turn."""
        return effective_product(self.session.product, self.request_product, self.intent)[0]

    @property
    def forbidden_terms(self) -> tuple[str, ...]:
        """What of the product before it must not be heard any more."""
        return effective_product(self.session.product, self.request_product, self.intent)[1]


class Skill(Protocol):
    """One thing the service can do. A third party registers an instance or a class without arguments under
    the entry-point group `scriptgen.skills`.

    `intents` is what it serves; `required_slots` what it cannot work without, for ListSkills.
    """

    @property
    def name(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def intents(self) -> tuple[IntentType, ...]: ...
    @property
    def required_slots(self) -> tuple[str, ...]: ...

    def claims(self, intent: Intent, query: str) -> bool:
        """Whether this skill wants the request. Must be cheap and free of side effects."""

    async def plan(self, context: SkillContext) -> SkillPlan: ...


class SkillDescription(msgspec.Struct, frozen=True):
    """A line of ListSkills."""

    name: str
    display_name: str
    description: str
    intents: tuple[IntentType, ...]
    required_slots: tuple[str, ...]
