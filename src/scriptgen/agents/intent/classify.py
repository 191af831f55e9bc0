"""Decides the intent of a normalised instruction by rules: what is asked for and how sure that is.

Reads words and mentions only; slots, references and inheritance are decided elsewhere.
"""

from __future__ import annotations

import re

import msgspec

from scriptgen.domain.vocabulary import IntentType

from . import intrusions
from . import patterns as p
from . import question_patterns as q
from .questions import is_question
from .signals import Signals
from .unwritten import announces_a_session, lacks_a_scene

#: Characters beyond which nothing counts as an indifferent answer or as small talk.
_SHORT_ANSWER, _SMALL_TALK = 20, 60
_MARKS = re.compile(r"[\s,，。.!！?？~、…]+")
_OF_A_SCRIPT = re.compile(
    rf"{p.TAKE}|名|[产商]品[换改]成|里面?的|(?:都|全|统一|一律)(?:部)?[换改替]|{p.PART}"
)
_BY_DEGREE = re.compile(r"一?[点些]")
_WRITES_ANEW = re.compile(r"写|[来整出弄搞给要]一?[个段条份版]")


class Verdict(msgspec.Struct, frozen=True):
    """`confidence` is 0..1; `continuation` tells that the words themselves go on from an earlier turn."""

    type: IntentType
    confidence: float
    continuation: bool = False


def classify(s: Signals) -> Verdict:
    """The order is the precedence: noise, questions, sets, work on a script, new scripts."""
    verdict = _decided(s, _rewriting(s))
    if verdict is None and p.ASPECT.search(s.text):
        changes = p.PART_OF_SCRIPT.search(s.text) and not p.EVALUATES.search(s.text)
        return Verdict(IntentType.SCRIPT_MODIFICATION if changes else IntentType.SCRIPT_OPTIMIZATION, 0.6)
    return verdict or Verdict(IntentType.OTHER, 0.5 if len(s.text) > 8 else 0.7)


def _decided(s: Signals, rewriting: Verdict | None) -> Verdict | None:
    if _is_noise(s, acts=rewriting is not None or bool(p.WRITE.search(s.text) or p.CONTINUE.search(s.text))):
        return Verdict(IntentType.OTHER, 0.9)
    if is_question(s):
        return Verdict(IntentType.QUERY, 0.85)
    if _is_batch_request(s, rewriting):
        return Verdict(IntentType.BATCH_GENERATION, 0.92)
    if rewriting and (s.has_source or not _asks_for_new(s, rewriting)):
        return rewriting
    return _writing(s) or rewriting


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
    follows_up = s.has_product or continues or s.has_script or bool(q.ELLIPSIS.fullmatch(s.text))
    if p.NOUN.search(s.text) or (s.names_scene and follows_up):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.85, continues)
    if s.has_script and _asks_for_the_next_day(s):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.8, continuation=True)
    if continues and (s.has_script or s.in_domain):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.8, continuation=True)
    if s.names_scene or (s.has_product and not _is_daily(s)) or any(m.kind == "category" for m in s.mentions):
        return Verdict(IntentType.SCRIPT_GENERATION, 0.6, continues)
    return None


def _asks_for_the_next_day(s: Signals) -> bool:
    """双十一的有了，双十二的呢."""
    last = list(q.CLAUSE.finditer(s.text))[-1:]
    return any(
        m.kind == "event" and c.start() <= m.start and q.ELLIPSIS.fullmatch(c[0].strip())
        for c in last
        for m in s.mentions
    )


def _is_daily(s: Signals) -> bool:
    things = [m for m in s.mentions if m.kind == "product"]
    return any(p.DAILY.search(s.text[: m.start]) or p.DAILY_AFTER.match(s.text, m.end) for m in things)


def _is_noise(s: Signals, *, acts: bool) -> bool:
    """Injection, abuse, small talk, keyboard mash; a real request with a curse in it is still a request."""
    t = s.text
    compact = _MARKS.sub("", t)
    if intrusions.INJECTION.search(t) or not compact or _is_small_talk(compact):
        return True
    if intrusions.ABOUT_YOU.match(t) or (intrusions.ROLE.search(t) and not (acts and _subject(s))):
        return True
    if intrusions.ABUSE.search(t) and not (acts and (s.in_domain or s.has_script)):
        return True
    if (
        p.OFF_TOPIC.search(t)
        and not (acts and s.has_script)
        and not (p.SELLING.search(t) or any(m.kind == "sub_scenario" for m in s.mentions))
        and not p.CLAIMS.search(t)
    ):
        return True
    return not (p.CJK.search(t) or p.ENGLISH.search(t) or s.in_domain or s.replaces)


def _subject(s: Signals) -> bool:
    return s.has_product or s.names_scene


def _is_small_talk(compact: str) -> bool:
    return len(compact) <= _SMALL_TALK and bool(p.CHAT.fullmatch(compact))


def _is_batch_request(s: Signals, rewriting: Verdict | None) -> bool:
    t = s.text
    if not s.is_batch or s.has_source:
        return False
    concrete = (
        rewriting is not None
        and rewriting.type is not IntentType.SCRIPT_OPTIMIZATION
        and (s.has_script or not _asks_for_new(s, rewriting))
    )
    if concrete and s.listed < 2 and not p.WHOLE.search(t) and not p.EACH.search(t):
        return False
    if p.STRONG_POLISH.search(t) and p.EXISTING.search(t):
        return False
    return not (rewriting and s.has_script and p.TRANSLATE.search(t) and not p.EACH.search(t))


def _rewriting(s: Signals) -> Verdict | None:
    """Work on an existing script."""
    return Verdict(IntentType.SCRIPT_MODIFICATION, 0.92) if s.replaces else _reworded(s)


def _reworded(s: Signals) -> Verdict | None:
    """Another form, a concrete change, or simply better."""
    t = s.text
    edit = p.EDIT.search(t)
    if p.TRANSLATE.search(t) or p.LANGUAGE_ALONE.fullmatch(t) or _turned_into_a_value(s):
        of_a_part = edit and p.PART_OF_SCRIPT.search(t)
        if not of_a_part or p.LANGUAGE_OR_STYLE.search(t):
            return Verdict(IntentType.SCRIPT_TRANSLATION, 0.92)
    # 来个俄语版的，产品是羽绒被 turns a script, 来个羽绒被的直播版 may be a new one.
    spoken = p.LANGUAGE_VERSION.search(t) and not p.NOUN.search(t) and not s.names_scene
    whose = s.has_script or s.has_source or not s.has_product or spoken
    if (p.VERSION.search(t) or _version_in_a_style(s)) and whose and not p.MANY.search(t):
        return Verdict(IntentType.SCRIPT_TRANSLATION, 0.85)
    polish = p.STRONG_POLISH.search(t)
    moves_on = (p.SWITCHES_PRODUCT.match(t) or p.NEXT_PRODUCT.search(t)) and not _OF_A_SCRIPT.search(t)
    switches = s.has_product and (moves_on or p.NEXT_IS.match(t))
    if edit and not switches and (not polish or p.EDIT.search(p.STRONG_POLISH.sub("", t))):
        return Verdict(IntentType.SCRIPT_MODIFICATION, 0.9)
    if polish or p.POLISH.search(t):
        return Verdict(IntentType.SCRIPT_OPTIMIZATION, 0.9 if polish else 0.8)
    if p.EDIT_SOFT.search(t) or _moved_to_an_event(s):
        return Verdict(IntentType.SCRIPT_MODIFICATION, 0.75)
    return _said_to_a_script(s) if s.has_script and not s.has_product else None


def _version_in_a_style(s: Signals) -> bool:
    """俏皮版来一个, 出个种草笔记版."""
    return any(m.kind in {"style", "scenario"} and p.STYLE_VERSION.match(s.text, m.end) for m in s.mentions)


def _moved_to_an_event(s: Signals) -> bool:
    """改成双十一的: the same script for another day."""
    events = [m.start for m in s.mentions if m.kind == "event"]
    return any(turned.end() in events for turned in p.TURNED.finditer(s.text))


def _said_to_a_script(s: Signals) -> Verdict | None:
    """要100字的, 念不顺: words that mean work only because there is a script."""
    if p.DISLIKED.search(s.text) or _only_a_manner(s):
        return Verdict(IntentType.SCRIPT_OPTIMIZATION, 0.7)
    if s.has_name and p.PUTS_FOR.search(s.text):
        return Verdict(IntentType.SCRIPT_MODIFICATION, 0.8)
    return Verdict(IntentType.SCRIPT_MODIFICATION, 0.7) if p.ON_SCRIPT.search(s.text) else None


def _only_a_manner(s: Signals) -> bool:
    """亲切一些，像宝妈之间唠嗑: no scene, and no mere length (50字)."""
    clauses = [c[0].strip() for c in q.CLAUSE.finditer(s.text)]
    return not s.names_scene and any(q.MANNER.fullmatch(c) and not c[0].isdigit() for c in clauses)


def _turned_into_a_value(s: Signals) -> bool:
    """换成/改成 straight before a style, scenario or scene value: 改成直播, 语气换成温柔的."""
    values = [m for m in s.mentions if m.kind in {"style", "scenario", "sub_scenario"}]
    return any(
        0 <= m.start - turned.end() <= 1
        and s.text[turned.end() : m.start] != '"'
        and not _BY_DEGREE.match(s.text, m.end)
        and s.text[m.end - 1] not in "点些"
        for turned in p.TURNED.finditer(s.text)
        for m in values
    )


def _asks_for_new(s: Signals, rewriting: Verdict) -> bool:
    """Whether words of change only describe a new script: 写一段口红开场，要更激情一点，不要提价格."""
    t = s.text
    write = p.WRITE.search(t)
    if rewriting.type is IntentType.SCRIPT_TRANSLATION:
        scene = any(m.kind == "sub_scenario" for m in s.mentions) and not p.EXISTING.search(t)
        return (
            (bool(write or p.WRITTEN_AS.search(t)) or (_describes(s) and not p.REWRITTEN.search(t)))
            and (s.has_product or scene)
            and not s.has_script
            and not p.PLAIN_TRANSLATION.search(t)
            and not p.LANGUAGE_VERSION.search(t)
        )
    polishes = rewriting.type is IntentType.SCRIPT_OPTIMIZATION
    anew = polishes and p.ANEW.search(t) and not p.DEGREE.search(t)
    supplements = (p.SUPPLEMENT.search(t) and (s.names_scene or p.ONE_MORE.search(t))) or lacks_a_scene(s)
    if anew or supplements or _handed_over(s) or (write and not polishes and _limits_a_new_one(s)):
        return True
    if not write:
        limits = polishes or p.LIMITED.match(t) or _only_limits(s) or _only_manners(s)
        return bool(limits) and _describes(s)
    if p.EXISTING.search(t) and not (s.has_product and _WRITES_ANEW.search(write[0])):
        return False
    edit = p.EDIT.search(t) or p.EDIT_SOFT.search(t)
    subject = s.has_product or s.names_scene or bool(p.NOUN.search(t))
    if polishes:
        return not p.STRONG_POLISH.search(t)
    return bool(edit and write.start() <= edit.start()) and subject and not p.STARTS_WITH_EDIT.match(t)


def _handed_over(s: Signals) -> bool:
    """换成李想播，给他写个开场: somebody else goes on air and needs a script of their own."""
    over = p.HANDED_OVER.search(s.text)
    return s.has_name and over is not None and bool(p.WRITE.search(s.text, over.end()))


def _limits_a_new_one(s: Signals) -> bool:
    """别用最字，写个手机的促销: a change that is asked for before anything is written is a wish."""
    subject = s.names_scene or p.NOUN.search(s.text)
    fresh = s.has_product and not s.has_script and not p.EXISTING.search(s.text)
    return fresh and bool(subject) and not p.STARTS_WITH_EDIT.match(s.text)


def _only_limits(s: Signals) -> bool:
    """口红直播开场，不要提价格: nothing is to be changed, something is only to stay out."""
    rest = p.LIMITS.sub("", s.text)
    return rest != s.text and not (p.EDIT.search(rest) or p.EXISTING.search(rest))


def _only_manners(s: Signals) -> bool:
    """口红的开场，短一点: how a new script shall be, where nothing else speaks of a change."""
    rest = [c[0] for c in q.CLAUSE.finditer(s.text) if not q.MANNER.fullmatch(c[0].strip())]
    return not p.EXISTING.search(s.text) and not any(p.EDIT.search(c) for c in rest)


def _describes(s: Signals) -> bool:
    """宝宝湿巾的种草文，温柔点儿的: no verb at all, yet a new script is described."""
    t = s.text
    if p.CONTINUE.search(t) and s.has_product and p.SWITCH.search(t) and not p.EXISTING.search(t):
        return True
    if announces_a_session(s):
        return True
    if s.has_script or p.STRONG_POLISH.search(t) or p.COMPLAINT.search(t):
        return False
    named = s.has_product or s.names_scene
    first, *others = [c[0].strip() for c in q.CLAUSE.finditer(t)]
    if (
        s.names_scene
        and others
        and all(q.MANNER.fullmatch(c) for c in others)
        and not q.MANNER.fullmatch(first)
    ):
        return True
    return (named and bool(p.NOUN.search(t))) or (s.has_product and s.names_scene)
