"""Tells a question (about the craft, a product or the service) from a request in the shape of one."""

from __future__ import annotations

import re
from bisect import bisect_left

from . import patterns as p
from . import question_patterns as q
from .signals import Signals, many


def is_question(s: Signals) -> bool:
    """A question about the craft, a product or the service, with no clause that asks for work to be done."""
    if q.TELL.search(s.text) and not s.has_product and not s.has_source:
        return True
    # Most requests hold nothing a question could be made of: their clauses need not be looked at.
    if not q.HOW.search(s.text) and not q.MAY_ASK.search(s.text):
        return False
    asks = False
    # 改成“支持七天无理由”: what is quoted is said to the audience.
    for clause in q.CLAUSE.finditer(q.QUOTED.sub(lambda m: '"' + "-" * (len(m[0]) - 2) + '"', s.text)):
        c = clause[0].strip()
        if _looks_for_a_script(s, *clause.span()):
            return False
        if _clause_asks(c, s, ends_query=clause.end() >= len(s.text)):
            asks = True
        elif _clause_requests(c):
            return False
    return asks and (s.in_domain or s.has_name or bool(q.CRAFT.search(s.text)))


def _looks_for_a_script(s: Signals, start: int, end: int) -> bool:
    """有没有卤鸭脖的开场啊, 手镯的下播有没有: a script of a product is asked for, as if it lay ready."""
    if not s.has_product:
        return False
    if q.WHO_WRITES.match(s.text, start, end) and s.names_scene:
        return True
    first, last = (bisect_left(s.mentions, at, key=lambda m: m.start) for at in (start, end))
    for m in s.mentions[first:last]:
        if m.kind not in {"sub_scenario", "scenario", "weak_sub"}:
            continue
        there = q.IS_THERE.match(s.text, m.end)
        if there and (there["asked"] or q.IS_THERE_BEFORE.search(s.text, start, m.start)):
            return True
    return False


def _clause_asks(c: str, s: Signals, *, ends_query: bool) -> bool:
    if _wishes(c, s):
        return False
    c = q.INQUIRES.sub("", c)
    how = q.HOW.search(c)
    return _asks_how(c, s, how) if how else _asks_whether(c, s, ends_query=ends_query)


def _wishes(c: str, s: Signals) -> bool:
    """家长问装不装得上, 面膜的逼单话术有吗, 更接地气一点行不行: a question in form, not in sense."""
    acting = s.has_script or s.has_source
    reworded = s.replaces and not q.TERMS_OF_SERVICE.search(c)
    goes_on = acting and ((s.names_scene and q.AND_THE_NEXT.match(c)) or q.SAID_IN.match(c) or reworded)
    written = s.has_product and p.WRITE.match(c)
    polite = q.WISHED.match(c) or (q.TAGS.search(c) and (written or rewrites(c)))
    reported = q.REPORTED.search(c) or q.THINK_UP.search(c) or (s.has_product and q.HAVE_YOU.search(c))
    return bool(goes_on or polite or reported)


def _asks_how(c: str, s: Signals, how: re.Match[str]) -> bool:
    before = c[: how.start()]
    # 中间加上怎么清洗 and 有没有更幽默的 ask for work.
    acting = s.has_script or s.has_source
    if acting and (q.PUT_IN.search(before) or (how[0] == "有没有" and p.DEGREE.search(c))):
        return False
    write = p.WRITE.search(c)
    if how[0] == "有没有" and not c.startswith("必要", how.end()) and p.WRITE.search(c, how.end()):
        return False
    topic = write and write.start() < how.start() and q.DESIRE.search(before)
    return not topic and not (q.DESIRE.match(c) and p.EDIT.search(c))


def _asks_whether(c: str, s: Signals, *, ends_query: bool) -> bool:
    yes_no = q.ASKS.search(c)
    # 都等着呢, 还没: a soft ending asks only where the query ends.
    if not yes_no or (yes_no[0] in {"呢", "不", "没"} and not ends_query):
        return False
    if q.TERMS_OF_SERVICE.search(c):
        return True
    acting = s.has_script or s.has_source
    if q.ELLIPSIS.fullmatch(c) and acting:
        return False
    acting = acting and not q.KNOWS_HOW.match(c)
    changes = rewrites(c) and (acting or "再" in c or not q.ABILITY.search(c))
    writes = p.WRITE.search(c) and not q.ABILITY_TO_WRITE.search(c)
    return not (q.DESIRE.search(c) or changes or writes)


def _clause_requests(c: str) -> bool:
    """那逼单的呢 and 能不能再短点 are requests in the shape of questions."""
    # 多肉下播咋说，可爱点: how it shall sound is said of work, not of a question.
    return bool(p.WRITE.search(c) or q.MANNER.fullmatch(c) or q.NEXT.search(c)) or rewrites(c) or many(c)


def rewrites(clause: str) -> bool:
    strong = (p.TRANSLATE, p.EDIT, p.STRONG_POLISH, p.EDIT_SOFT, p.VERSION, p.DEGREE)
    return any(pattern.search(clause) for pattern in strong)
