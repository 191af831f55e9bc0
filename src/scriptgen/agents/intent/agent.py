"""Recognises intents: rules first, one bounded model call when they are unsure, then asks back if needed.

Holds the cache of model answers. How texts are read is in rules.py, how the model is asked in llm_tier.py.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from scriptgen.domain.conversation import ConversationContext, Understanding
from scriptgen.domain.intent import Clarification, Intent
from scriptgen.domain.vocabulary import REWRITING_INTENTS, WRITING_INTENTS
from scriptgen.llm.protocol import LanguageModel

from .clarification import clarify
from .llm_tier import ModelReader, digest
from .resolve import resolved_query
from .rules import Rules


class IntentAgent:
    """Safe for concurrent use by tasks of one event loop.

    `llm_threshold` and `clarify_threshold` are confidences 0..1; `cache_size` is a number of answers.
    """

    def __init__(
        self,
        model: LanguageModel | None = None,
        *,
        llm_threshold: float,
        clarify_threshold: float,
        cache_size: int = 1024,
    ) -> None:
        self._rules = Rules()
        self._reader = ModelReader(model, self._rules.events) if model is not None else None
        self._model = model
        self._llm_threshold = llm_threshold
        self._clarify_threshold = clarify_threshold
        self._cache_size = cache_size
        self._cache: OrderedDict[str, Intent] = OrderedDict()

    async def recognize(
        self, query: str, context: ConversationContext, *, deadline: float | None = None
    ) -> Understanding:
        """Never raises for what was typed or for what a model answers. `deadline` is on `loop.time()`."""
        intent = self._rules.recognize(query, context)
        if intent.confidence < self._llm_threshold and self._model is not None and self._model.has_model:
            intent = await self._asked(query, context, intent, deadline)
        intent = self._unsure(intent)
        return Understanding(intent, resolved_query(query, intent, context))

    def clarification(self, intent: Intent, context: ConversationContext) -> Clarification:
        """The question for `intent.missing_slots`, with answers that complete the request as they are."""
        return clarify(intent, context)

    async def _asked(
        self, query: str, context: ConversationContext, intent: Intent, deadline: float | None
    ) -> Intent:
        if self._reader is None:
            return intent
        key = digest(query, context)
        cached = self._cache.get(key)
        if cached is not None:
            self._cache.move_to_end(key)
            return replace(cached, tier="cache")
        turns = self._rules.turns_of(context)
        reading = await self._reader.read(query, context, self._rules.read(query, context, turns), deadline)
        if reading is None:
            return intent
        answered = replace(self._rules.complete(reading, query, context, turns), tier="llm")
        self._cache[key] = answered
        while len(self._cache) > self._cache_size:
            self._cache.popitem(last=False)
        return answered

    def _unsure(self, intent: Intent) -> Intent:
        """Work on a guess below the threshold is asked about; chat and questions are simply answered."""
        works = intent.type in WRITING_INTENTS or intent.type in REWRITING_INTENTS
        if works and not intent.missing_slots and intent.confidence < self._clarify_threshold:
            return replace(intent, missing_slots=("intent",))
        return intent
