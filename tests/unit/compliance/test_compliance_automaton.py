"""The automaton of templates against a plain regular expression engine, and what it keeps."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scriptgen.compliance import automaton
from scriptgen.compliance.automaton import Kept, PrefixAutomaton
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon
from scriptgen.compliance.places import beginnings
from scriptgen.compliance.template_parser import TemplateParser
from scriptgen.compliance.templates import CLAUSE_ENDS, Node, Spellings

#: 甲 is spelled `ab` or 乙, and `a` begins another spelling too.
SPELLINGS = {"甲": ["ab", "乙"], "丙": ["a", "abc"]}
WORDS = {"list": ["甲", "甲丁", "丁丁", "b(甲)?丁"], "runs": ["[ab]{1,3}"]}
PARSER = TemplateParser(WORDS, {"list"})
ENDS = re.escape("".join(sorted(CLAUSE_ENDS)))


TEXTS = st.lists(st.sampled_from([*"甲乙丙丁abc，", "ab", "abc", "甲丁"]), max_size=10).map("".join)


def templates() -> st.SearchStrategy[str]:
    plain = st.text("甲乙丙丁ab", min_size=1, max_size=2)
    atoms = st.one_of(plain, st.sampled_from(["<list>", "<runs>", ".", "[^甲a]", "[a丁]"]))

    def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        group = st.lists(inner, min_size=1, max_size=3).map(lambda options: f"({'|'.join(options)})")
        mark = st.sampled_from(["", "", "?", "{2}", "{0,2}", "{1,3}"])
        return st.lists(st.builds("{}{}".format, group, mark), min_size=1, max_size=3).map("".join)

    return st.builds("{}{}".format, plain, st.recursive(atoms, wider, max_leaves=5))


def as_regex(template: str, *, evasive: bool) -> str:
    """The same in the words of `re`: word lists in brackets, every other spelling an alternative."""

    def spelled(character: str, *, inside: bool = True) -> str:
        others = SPELLINGS.get(character, []) if inside and evasive else []
        return f"(?:{'|'.join([re.escape(character), *others])})"

    out = []
    for piece in re.findall(r"\{[^}]*\}|\[[^\]]*\]|<[^>]*>|.", template):
        if piece[0] == "<":
            spells = evasive and piece == "<list>"
            out.append(f"(?:{'|'.join(as_regex(w, evasive=spells) for w in WORDS[piece[1:-1]])})")
        elif piece == ".":
            out.append(f"[^{ENDS}]")
        elif piece.startswith("[^"):
            out.append(f"[^{ENDS}{piece[2:-1]}]")
        elif piece == "(":
            out.append("(?:")
        elif piece[0] in "[{|)?":
            out.append(piece)
        else:
            out.append(spelled(piece))
    return "".join(out)


def automaton_of(nodes: Sequence[Node]) -> PrefixAutomaton:
    pairs = [(node, label) for label, node in enumerate(nodes)]
    return PrefixAutomaton(beginnings(pairs), Spellings(SPELLINGS), Kept())


def longest_by_regex(patterns: Sequence[str], text: str) -> set[tuple[int, int, int]]:
    found = set()
    for label, pattern in enumerate(patterns):
        compiled = re.compile(pattern, re.DOTALL)
        for start in range(len(text)):
            ends = [end for end in range(start + 1, len(text) + 1) if compiled.fullmatch(text, start, end)]
            if ends:
                found.add((start, max(ends), label))
    return found


@settings(max_examples=200, deadline=None)
@given(
    written=st.lists(st.tuples(templates(), st.booleans()), min_size=1, max_size=4),
    texts=st.lists(TEXTS, min_size=1, max_size=4),
)
@example(written=[("甲丁", True), ("丙(甲)?丁", True), ("甲丁", False)], texts=["ab丁abc丁乙丁", "aab丁甲丁"])
@example(written=[("甲(丁.{0,2}丁)?乙", True)], texts=["ab丁丙丁乙", "甲ab", "甲丁,丁乙"])
def test_it_finds_what_a_regular_expression_engine_finds(
    written: list[tuple[str, bool]], texts: list[str]
) -> None:
    found = automaton_of([PARSER.parse(template, evasive=evasive) for template, evasive in written])
    patterns = [as_regex(template, evasive=evasive) for template, evasive in written]
    for text in texts:
        assert set(found.matches(text)) == longest_by_regex(patterns, text)


@settings(max_examples=100, deadline=None)
@given(template=templates(), evasive=st.booleans(), text=TEXTS)
def test_a_walk_lives_exactly_while_a_longer_match_may_follow(
    template: str, evasive: bool, text: str
) -> None:
    """What is alive can be completed: some characters lead from it to a match."""
    walked = automaton_of([PARSER.parse(template, evasive=evasive)])
    state = walked.start
    for character in text:
        following = walked.step(state, character)
        if following is None:
            break
        state = following
        seen = {state}
        todo = [state] if state.alive else []
        completed = not state.alive
        while todo and not completed:
            here = todo.pop()
            for after in filter(None, (walked.step(here, c) for c in "甲乙丙丁abc")):
                completed = completed or bool(after.accepts)
                if after not in seen:
                    seen.add(after)
                    todo.append(after)
        assert completed


def test_to_forget_changes_nothing_that_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = (Path(__file__).parent / "sentences.jsonl").read_text("utf-8").splitlines()[::8]
    lexicon = load_lexicon()

    def findings() -> list[object]:
        checker = ComplianceChecker(lexicon)
        found: list[object] = []
        for text in texts:
            guard = checker.guard()
            found += [guard.feed(text[:9]), guard.feed(text[9:]), guard.finish(), checker.review(text)]
        return found

    remembered = findings()
    monkeypatch.setattr(automaton, "_MAX_TRANSITIONS", 1000)
    assert findings() == remembered


def test_what_is_kept_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "_MAX_TRANSITIONS", 100)
    walked = automaton_of([PARSER.parse("甲.{0,9}(乙|丙)<list>", evasive=True)])
    for first in range(0x4E00, 0x4E00 + 3000):
        walked.matches(f"甲{chr(first)}乙丁丁")
    assert len(walked.start.next) <= 100
    assert sum(len(state.next) for state in filter(None, walked.start.next.values())) <= 100


def test_text_of_a_new_kind_is_not_slow_beside_known_text() -> None:
    """Some 40 times on any machine; 130 and more when a character unfolded all templates that it may begin."""
    lexicon = load_lexicon()
    cases = [
        json.loads(line) for line in (Path(__file__).parent / "cases.jsonl").read_text("utf-8").splitlines()
    ]
    text = "".join(case["text"] for case in cases if case["compliant"])[:500]

    def spent(checker: ComplianceChecker) -> float:
        began = time.process_time()
        checker.review(text)
        return time.process_time() - began

    checkers = [ComplianceChecker(lexicon) for _ in range(2)]
    new = min(spent(checker) for checker in checkers)
    known = min(spent(checkers[0]) for _ in range(5))
    assert new < 90 * known
