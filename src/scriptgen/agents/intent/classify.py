"""Decides the intent of a normalised instruction by rules: what is asked for and how sure that is.

Reads words and mentions only; slots, references and inheritance are decided elsewhere.
"""

from __future__ import annotations

import re

import msgspec

from scriptgen.domain.vocabulary import IntentType

from . import patterns as p
from .lexicon import Mention

#: Characters beyond which nothing counts as an indifferent answer or as small talk.
_SHORT_ANSWER, _SMALL_TALK = 20, 60


class Verdict(msgspec.Struct, frozen=True):
    """`confidence` is 0..1; `continuation` tells that the words themselves go on from an earlier turn."""

    type: IntentType
    confidence: float
    continuation: bool = False


class Signals(msgspec.Struct, frozen=True):
    """What the decision is made on. `text` is the stripped instruction; `listed` is the length of the longest
    list of scenes, products or events; `has_script` is about the conversation, `has_source` about the query.
    """

    text: str
    mentions: tuple[Mention, ...]
    has_product: bool
    has_name: bool
    has_script: bool
    has_source: bool
    listed: int

    @property
    def names_scene(self) -> bool:
        return any(m.kind in {"sub_scenario", "scenario", "weak_sub"} for m in self.mentions)

    @property
    def in_domain(self) -> bool:
        return bool(self.mentions) or self.has_product or bool(p.NOUN.search(self.text))

    @property
    def is_batch(self) -> bool:
        return self.listed > 1 or _many(self.text)


def classify(s: Signals) -> Verdict:
    """The order is the precedence: noise, questions, sets, work on a script, new scripts."""
    rewriting = _rewriting(s)
    if _is_noise(s, acts=rewriting is not None or bool(p.WRITE.search(s.text) or p.CONTINUE.search(s.text))):
        return Verdict(IntentType.OTHER, 0.9)
    if _is_question(s):
        return Verdict(IntentType.QUERY, 0.85)
    if _is_batch_request(s, rewriting):
        return Verdict(IntentType.BATCH_GENERATION, 0.92)
    if rewriting and (s.has_source or not _asks_for_new(s, rewriting)):
        return rewriting
    return _writing(s) or rewriting or Verdict(IntentType.OTHER, 0.5 if len(s.text) > 8 else 0.7)


def is_indifferent(text: str) -> bool:
    """都行你看着写: an answer that leaves the question open."""
    answer = text.strip()
    # The words overlap (都行, 都, 行), so the match may try many ways: only short answers are looked at.
    return (
        len(answer) <= _SHORT_ANSWER
        and bool(p.INDIFFERENT_CORE.search(answer))
        and bool(p.INDIFFERENT.fullmatch(answer))
    )


def asks_back(text: str) -> bool:
    """Whether a reply is a question to the operator rather than a script."""
    return bool(p.ASKS_BACK.search(text[-120:]))


def _writing(s: Signals) -> Verdict | None:
    """A new script, the surer the more plainly it is asked for."""
    continues = bool(p.CONTINUE.search(s.text))
    if p.WRITE.search(s.text):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.92, continues)
    follows_up = s.has_product or continues or s.has_script or bool(p.ELLIPSIS.fullmatch(s.text))
    if p.NOUN.search(s.text) or (s.names_scene and follows_up):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.85, continues)
    if continues and (s.has_script or s.in_domain):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.8, continuation=True)
    if s.names_scene or s.has_product or any(m.kind == "category" for m in s.mentions):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.6, continues)
    return None


def _is_noise(s: Signals, *, acts: bool) -> bool:
    """Injection, abuse, small talk, keyboard mash; a real request with a curse in it is still a request."""
    t = s.text
    compact = re.sub(r"[\s,，。.!！?？~、…]+", "", t)
    if p.INJECTION.search(t) or not compact or _is_small_talk(compact):
        return True
    if p.ABUSE.search(t) and not (acts and (s.in_domain or s.has_script)):
        return True
    if p.OFF_TOPIC.search(t) and not (acts and s.has_script) and not p.SELLING.search(t):
        return True
    return not p.CJK.search(t) and not p.ENGLISH.search(t) and not s.in_domain


def _is_small_talk(compact: str) -> bool:
    return len(compact) <= _SMALL_TALK and bool(p.CHAT.fullmatch(compact))


def _is_question(s: Signals) -> bool:
    """A question about the craft, a product or the service, with no clause that asks for work to be done."""
    asks = False
    for clause in p.CLAUSE.finditer(s.text):
        c = clause[0].strip()
        if _clause_asks(c, s, ends_query=clause.end() >= len(s.text)):
            asks = True
        elif _clause_requests(c):
            return False
    return asks and (s.in_domain or s.has_name or bool(p.CRAFT.search(s.text)))


def _clause_asks(c: str, s: Signals, *, ends_query: bool) -> bool:
    how = p.HOW.search(c)
    write = p.WRITE.search(c)
    if how:
        topic = write and write.start() < how.start() and p.DESIRE.search(c[: how.start()])
        return not topic and not (p.DESIRE.match(c) and p.EDIT.search(c))
    yes_no = p.ASKS.search(c)
    # 都等着呢, 还没: a soft ending asks only where the query ends.
    if not yes_no or (yes_no[0] in {"呢", "不", "没"} and not ends_query):
        return False
    acting = s.has_script or s.has_source
    if p.ELLIPSIS.fullmatch(c) and acting:
        return False
    rewrites = _rewrites(c) and (acting or "再" in c or not p.ABILITY.search(c))
    writes = write and not p.ABILITY_TO_WRITE.search(c)
    return not (p.DESIRE.search(c) or rewrites or writes)


def _clause_requests(c: str) -> bool:
    """那逼单的呢 and 能不能再短点 are requests in the shape of questions."""
    return bool(p.WRITE.search(c)) or _rewrites(c) or _many(c)


def _rewrites(clause: str) -> bool:
    strong = (p.TRANSLATE, p.EDIT, p.STRONG_POLISH, p.EDIT_SOFT, p.VERSION, p.DEGREE)
    return any(pattern.search(clause) for pattern in strong)


def _many(text: str) -> bool:
    return any(pattern.search(text) for pattern in (p.MANY, p.WHOLE, p.EACH))


def _is_batch_request(s: Signals, rewriting: Verdict | None) -> bool:
    t = s.text
    if not s.is_batch or s.has_source:
        return False
    concrete = rewriting is not None and rewriting.type is not IntentType.SCRIPT_OPTIMIZATION
    if concrete and s.listed < 2 and not p.WHOLE.search(t):
        return False
    if p.STRONG_POLISH.search(t) and p.EXISTING.search(t):
        return False
    return not (rewriting and s.has_script and p.TRANSLATE.search(t))


def _rewriting(s: Signals) -> Verdict | None:
    """Work on an existing script: another form, a concrete change, or simply better."""
    t = s.text
    edit = p.EDIT.search(t)
    if p.TRANSLATE.search(t) or _turned_into_a_value(s):
        of_a_part = edit and p.PART_OF_SCRIPT.search(t)
        if not of_a_part or p.LANGUAGE_OR_STYLE.search(t):
            return Verdict(IntentType.SCRIPT_TRANSLATION, 0.92)
    whose = s.has_script or s.has_source or not s.has_product
    if p.VERSION.search(t) and whose and not p.MANY.search(t):
        return Verdict(IntentType.SCRIPT_TRANSLATION, 0.85)
    polish = p.STRONG_POLISH.search(t)
    switches = s.has_product and p.SWITCHES_PRODUCT.match(t) and not re.search(r"[把将]|名", t)
    if edit and not switches and (not polish or p.EDIT.search(p.STRONG_POLISH.sub("", t))):
        return Verdict(IntentType.SCRIPT_MODIFICATION, 0.9)
    if p.POLISH.search(t):
        return Verdict(IntentType.SCRIPT_OPTIMIZATION, 0.9 if polish else 0.8)
    return Verdict(IntentType.SCRIPT_MODIFICATION, 0.75) if p.EDIT_SOFT.search(t) else None


def _turned_into_a_value(s: Signals) -> bool:
    """换成/改成 straight before a style, scenario or scene value: 改成直播, 语气换成温柔的."""
    values = [m for m in s.mentions if m.kind in {"style", "scenario", "sub_scenario"}]
    return any(
        0 <= m.start - turned.end() <= 1 and not re.match(r"一?[点些]", s.text[m.end :])
        for turned in p.TURNED.finditer(s.text)
        for m in values
    )


def _asks_for_new(s: Signals, rewriting: Verdict) -> bool:
    """Whether words of change only describe a new script: 写一段口红开场，要更激情一点，不要提价格."""
    t = s.text
    write = p.WRITE.search(t)
    if rewriting.type is IntentType.SCRIPT_TRANSLATION:
        return bool(write) and s.has_product and not s.has_script and not p.PLAIN_TRANSLATION.search(t)
    if s.names_scene and p.SUPPLEMENT.search(t):
        return True
    polishes = rewriting.type is IntentType.SCRIPT_OPTIMIZATION
    if not write:
        return polishes and _describes(s)
    if p.EXISTING.search(t) and not (s.has_product and re.search(r"写|来一段", write[0])):
        return False
    edit = p.EDIT.search(t)
    subject = s.has_product or s.names_scene or bool(p.NOUN.search(t))
    if polishes:
        return not p.STRONG_POLISH.search(t)
    return bool(edit and write.start() <= edit.start()) and subject and not p.STARTS_WITH_EDIT.match(t)


def _describes(s: Signals) -> bool:
    """宝宝湿巾的种草文，温柔点儿的: no verb at all, yet a new script is described."""
    t = s.text
    if p.CONTINUE.search(t) and s.has_product and p.SWITCH.search(t) and not p.EXISTING.search(t):
        return True
    if s.has_script or p.STRONG_POLISH.search(t) or p.COMPLAINT.search(t):
        return False
    named = s.has_product or s.names_scene
    return (named and bool(p.NOUN.search(t))) or (s.has_product and s.names_scene)
