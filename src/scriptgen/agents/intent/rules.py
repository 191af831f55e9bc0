"""The rules tier: reads a query and completes it from the conversation, deterministically and in well under a
millisecond.

Also completes a reading that came from somewhere else (a model), so that inheritance, references and missing
slots follow one set of rules whoever read the query.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.intent import Intent, PendingRequest, Slots
from scriptgen.domain.vocabulary import (
    CATEGORIES,
    REWRITING_INTENTS,
    WRITING_INTENTS,
    GenerationStatus,
    IntentType,
)

from .classify import asks_back, is_indifferent
from .lexicon import Lexicon
from .reading import Reader, Reading
from .source import reads_aloud
from .turns import TurnState, last_person, resolve, same_product

#: Raw history is read again turn by turn; older turns than this cannot be meant by a follow-up.
_MAX_RAW_TURNS = 40
_SCRIPT_CHARACTERS = 15
_RENAMES = re.compile(r"名.{0,4}(?:换|改)")
#: 改成逼单话术: the scene is what the script is to become.
_NEW_SCENE = re.compile(r"[改换转变写整做]成[^,，]{0,6}(?:话术|逼单|促销|开场|下播|留人|介绍|答疑)")
_WHOLE_SET = re.compile(
    r"从头写?到尾|[全整成]套|全流程|整场|所有场景|[各每]个?(?:场景|环节)|(?:其他|其余|剩下|余下)[^,，]{0,4}(?:场景|环节)"
)


class Rules:
    """Stateless: one instance serves every request."""

    def __init__(self, lexicon: Lexicon | None = None) -> None:
        self._lexicon = lexicon or Lexicon()
        self._reader = Reader(self._lexicon)

    @property
    def events(self) -> frozenset[str]:
        return self._lexicon.events

    def recognize(self, query: str, context: ConversationContext) -> Intent:
        turns = self.turns_of(context)
        return self.complete(self.read(query, context, turns), query, context, turns)

    def read(self, query: str, context: ConversationContext, turns: list[TurnState]) -> Reading:
        has_script = any(t.has_script for t in turns) or bool(context.summary)
        return self._reader.read(query, has_script=has_script)

    def turns_of(self, context: ConversationContext) -> list[TurnState]:
        """Earlier turns with their intents; raw ones are read in order, each in the light of those before."""
        turns: list[TurnState] = []
        version = 0
        bare = replace(context, history=(), pending=None, summary="", slots=Slots())
        for turn in context.history[-_MAX_RAW_TURNS:]:
            intent = turn.intent
            if intent is None:
                intent = self.complete(self.read(turn.query, bare, turns), turn.query, bare, turns)
            state = _state(turn, intent, version)
            version = max((version, *state.versions))
            turns.append(state)
        return turns

    def complete(
        self, reading: Reading, query: str, context: ConversationContext, turns: list[TurnState]
    ) -> Intent:
        """Adds what earlier turns say to what the query says."""
        pending = context.pending or _open_question(turns)
        if pending is not None:
            answered = self._answer(reading, query, context, pending)
            if answered is not None:
                return answered
        if reading.type is IntentType.OTHER:
            return Intent(reading.type, reading.confidence)
        if reading.type is IntentType.QUERY:
            return Intent(reading.type, reading.confidence, reading.slots)
        reading = _with_person(reading, turns)
        if reading.source_text:
            return Intent(reading.type, reading.confidence, reading.slots, source_text=reading.source_text)
        reference = resolve(reading, turns)
        rewriting = reading.type in REWRITING_INTENTS
        if reference.absent and (rewriting or not reading.names_product):
            latest = next((t.slots for t in reversed(turns) if t.has_script), Slots())
            slots, _ = _merged(latest, reading, has_base=latest != Slots())
            return Intent(reading.type, reading.confidence, slots, missing_slots=("script",))
        earlier = reference.turn
        base = earlier.slots if earlier else (context.slots if context.summary else Slots())
        slots, switched = _merged(base, reading, has_base=earlier is not None)
        known_product = base.product_name or context.product.name
        switched = switched or bool(
            slots.product_name and known_product and not same_product(slots.product_name, known_product)
        )
        return Intent(
            type=reading.type,
            confidence=reading.confidence,
            slots=slots,
            missing_slots=_missing(
                reading.type, slots, context, has_script=earlier is not None or bool(context.summary)
            ),
            refers_to_turn=earlier.turn_index if earlier else None,
            continuation=not rewriting
            and earlier is not None
            and (reading.continuation or not reading.names_product),
            product_switched=switched,
        )

    def _answer(
        self, reading: Reading, query: str, context: ConversationContext, pending: PendingRequest
    ) -> Intent | None:
        """The pending request completed by this answer; None when the query is not an answer to it."""
        asked = pending.intent
        wants_script = "script" in asked.missing_slots
        if is_indifferent(reading.normal):
            return replace(asked, refers_to_turn=pending.turn_index, confidence=0.8, tier="rules")
        if reading.type is IntentType.QUERY:
            return None
        if wants_script:
            return self._answer_with_script(reading, query, pending)
        own = reading.slots
        describes = own.product_name or own.styles or own.length
        if reading.type in REWRITING_INTENTS and (reading.source_text or not describes):
            # 口语一点的 after "what do you sell?" describes the request that waits; 删掉那句 does not.
            return None
        answer = self._reader.answer(reading)
        if reading.type is IntentType.OTHER and (not answer or reading.confidence >= 0.9 or asks_back(query)):
            return None
        if answer and not own.product_name and not own.category:
            name = query[answer.start : answer.end]
            own = replace(own, product_name=name, category=answer.category)
        slots = _overlaid(asked.slots, own)
        kind = IntentType.BATCH_GENERATION if reading.type is IntentType.BATCH_GENERATION else asked.type
        if kind is IntentType.BATCH_GENERATION and own.extra:
            slots = _without_listed(slots)
        return Intent(
            type=kind,
            confidence=0.9,
            slots=slots,
            missing_slots=_missing(kind, slots, context, has_script=False),
            refers_to_turn=pending.turn_index,
            continuation=True,
        )

    def _answer_with_script(self, reading: Reading, query: str, pending: PendingRequest) -> Intent | None:
        asked = pending.intent
        bare = query.strip()
        is_script = len(bare) >= _SCRIPT_CHARACTERS and (
            reading.confidence < 0.9 or reads_aloud(reading.normal)
        )
        pasted = reading.source_text or (bare if is_script else "")
        if not pasted:
            return None
        name, category = self._reader.product_in_script(pasted)
        slots = _overlaid(asked.slots, Slots(category=category, product_name=name))
        return Intent(
            type=asked.type,
            confidence=0.85,
            slots=slots,
            refers_to_turn=pending.turn_index,
            continuation=True,
            source_text=pasted,
        )


def _state(turn: HistoryTurn, intent: Intent, version: int) -> TurnState:
    work = intent.type in REWRITING_INTENTS or intent.type in WRITING_INTENTS
    missing = intent.missing_slots
    if turn.scripts:
        versions = tuple(s.version for s in turn.scripts)
    elif (
        work
        and turn.reply.strip()
        and turn.status in {GenerationStatus.COMPLETED, GenerationStatus.DEGRADED}
        and not missing
        and not (asks_back(turn.reply) and len(turn.reply) < 60 and turn.intent is None)
    ):
        count = int(intent.slots.extra.get("batch_count", "1"))
        versions = tuple(range(version + 1, version + 1 + count))
    else:
        versions = ()
    if work and not versions and not missing and turn.intent is None and asks_back(turn.reply):
        missing = ("script",) if intent.type in REWRITING_INTENTS else ("product_name",)
    return TurnState(
        turn.turn_index,
        turn.query,
        intent.type,
        intent.slots,
        versions,
        missing,
        turn.turn_index if intent.refers_to_turn is None else intent.refers_to_turn,
    )


def _open_question(turns: list[TurnState]) -> PendingRequest | None:
    """The request that the last piece of work asked back about, when nothing was written since."""
    for turn in reversed(turns):
        if turn.has_script:
            return None
        if turn.missing and turn.is_work:
            return PendingRequest(
                turn.asked_turn, turn.query, Intent(turn.type, 0.8, turn.slots, missing_slots=turn.missing)
            )
    return None


def _with_person(reading: Reading, turns: list[TurnState]) -> Reading:
    if reading.person_pronoun and not reading.slots.target_name:
        return replace(reading, slots=replace(reading.slots, target_name=last_person(turns)))
    return reading


def _merged(base: Slots, reading: Reading, *, has_base: bool) -> tuple[Slots, bool]:
    """Own values over inherited ones; a switch of product drops what belonged to the old one."""
    own = reading.slots
    if not has_base and base == Slots():
        return own, False
    renames = bool(_RENAMES.search(reading.normal))
    if own.product_name and not renames and same_product(own.product_name, base.product_name):
        longer = max(own.product_name, base.product_name, key=len)
        own = replace(own, product_name=longer, category=base.category or own.category)
    switched = _switches(base, own)
    if switched:
        related = base.category if same_product(base.product_name, own.product_name) else ""
        base = replace(base, product_name="", category=related, selling_points=(), price="")
    rewriting = reading.type in REWRITING_INTENTS
    if rewriting and base.sub_scenario and not _NEW_SCENE.search(reading.normal):
        # In a rewriting request a scene names a script or a part of it (把开场改一下), not what is wanted.
        own = replace(own, sub_scenario="")
    if reading.type is IntentType.BATCH_GENERATION and _WHOLE_SET.search(reading.normal):
        base = replace(base, sub_scenario="")
    # What an earlier batch listed belongs to that request; only work on its scripts keeps it.
    base = replace(base, extra=base.extra if rewriting else {})
    return _without_listed(_overlaid(base, own)), switched


def _switches(base: Slots, own: Slots) -> bool:
    if own.product_name:
        return bool(base.product_name) and own.product_name.lower() != base.product_name.lower()
    if own.extra.get("batch_products"):
        return bool(base.product_name)
    return bool(own.category and base.category and own.category != base.category)


def _overlaid(base: Slots, own: Slots) -> Slots:
    return Slots(
        category=own.category or base.category,
        scenario=own.scenario or base.scenario,
        sub_scenario=own.sub_scenario or base.sub_scenario,
        event=own.event or base.event,
        product_name=own.product_name or base.product_name,
        selling_points=own.selling_points or base.selling_points,
        target_name=own.target_name or base.target_name,
        styles=own.styles or base.styles,
        price=own.price or base.price,
        length=own.length or base.length,
        extra={**base.extra, **own.extra},
    )


def _without_listed(slots: Slots) -> Slots:
    """Where a list stands in `extra` the single value is empty."""
    extra = slots.extra
    if "batch_sub_scenarios" in extra:
        slots = replace(slots, sub_scenario="")
    if "batch_events" in extra:
        slots = replace(slots, event="")
    if "batch_products" in extra:
        slots = replace(slots, product_name="")
    return slots


def _missing(
    kind: IntentType, slots: Slots, context: ConversationContext, *, has_script: bool
) -> tuple[str, ...]:
    if kind in REWRITING_INTENTS:
        return () if has_script else ("script",)
    if kind not in WRITING_INTENTS:
        return ()
    known = (
        slots.product_name
        or slots.extra.get("batch_products")
        or slots.category in CATEGORIES
        or context.category
        or context.product.name
    )
    return () if known else ("product_name",)
