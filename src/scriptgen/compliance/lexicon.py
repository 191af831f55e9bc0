"""The rules of law and platforms as data: reads, validates and compiles the lexicon files.

The packaged lexicon is `data/lexicon.json` (rules) with `data/characters.json` (folds and evasions); an
operator or tenant adds a file of the same format. It knows the rules, not how a text is searched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

import msgspec

from scriptgen.domain.quality import Severity
from scriptgen.domain.vocabulary import CATEGORIES

from .context import Context
from .figures import FactWords
from .normalise import Normaliser
from .template_parser import TemplateParser
from .templates import Node, Spellings, Words

FORMAT: Final = 1
_RULE_KEYS: Final = frozenset(
    {"id", "type", "terms", "templates", "allow", "unless", "requires", "categories", "evasive", "severity"}
    | {"message", "suggestion", "basis", "replacement", "repairs", "strict"}
    | {"stock_claim", "price_claim", "disguised"}
)


class Rule(msgspec.Struct, frozen=True):
    """One prohibition. `categories` empty: holds for all. `unless` names the contexts that excuse a hit,
    `requires` those of which one must hold. `strict` rules are not excused by the contexts all others share;
    the terms of `disguised` ones count only where they are not written plainly (唯 一, 私liao).
    `replacement` replaces a hit; the first of `repairs` (pattern, with) that fits rewrites it instead. A
    `stock_claim` is judged against the stock that is known, a `price_claim` against the prices of a note.
    """

    id: str
    type: str
    severity: Severity
    message: str
    suggestion: str
    basis: str
    categories: frozenset[str] = frozenset()
    unless: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    replacement: str | None = None
    repairs: tuple[tuple[re.Pattern[str], str], ...] = ()
    stock_claim: bool = False
    price_claim: bool = False
    disguised: bool = False

    @property
    def may_block(self) -> bool:
        return self.severity is Severity.BLOCK or self.stock_claim

    def replacement_for(self, span: str) -> str | None:
        """A safe text for a hit, given as it stands in the normalised text."""
        for pattern, safe in self.repairs:
            repaired, count = pattern.subn(safe, span)
            if count:
                return repaired
        return self.replacement


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Compiled rules. `terms` maps normalised literal spellings to rule indexes, `templates` pairs a pattern
    with its rule index; `allow_terms` and `allow_templates` excuse any hit that lies inside them. The
    contexts of `shared_unless` stand in the `unless` of every rule that is not strict.
    """

    version: str
    rules: tuple[Rule, ...]
    terms: Mapping[str, tuple[int, ...]]
    templates: tuple[tuple[Node, int], ...]
    allow_terms: frozenset[str]
    allow_templates: tuple[Node, ...]
    contexts: Mapping[str, Context]
    shared_unless: tuple[str, ...]
    spellings: Spellings = field(repr=False)
    normaliser: Normaliser = field(repr=False)
    fact_words: FactWords = field(repr=False)


def load_lexicon(path: Path | None = None, additions: Path | None = None) -> Lexicon:
    """Read the packaged lexicon (or `path`), extended by `additions`.

    Raises ValueError naming the file and the entry when one is malformed, OSError when it cannot be read.
    """
    characters = _packaged("characters.json")
    builder = _Builder(characters)
    if path is None:
        builder.add("lexicon.json", _packaged("lexicon.json"))
    else:
        builder.add(str(path), _read(path))
    if additions is not None:
        builder.add(str(additions), _read(additions))
    return builder.lexicon()


def _packaged(name: str) -> dict[str, Any]:
    text = (resources.files(__package__) / "data" / name).read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return data


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not JSON in UTF-8: {error}") from error


class _Builder:
    def __init__(self, characters: Mapping[str, Any]) -> None:
        folds = dict(zip(characters["traditional"], characters["simplified"], strict=True))
        folds.update(characters["symbols"])
        self._evasions: dict[str, list[str]] = characters["evasions"]
        self._noise: str = characters["noise"]
        self._normaliser = Normaliser(folds)
        self._versions: list[str] = []
        self._types: dict[str, dict[str, str]] = {}
        self._words: dict[str, list[str]] = {}
        self._contexts: dict[str, Context] = {}
        self._shared: list[str] = []
        self._spelled_words: set[str] = set()
        self._parser = TemplateParser({}, frozenset())
        self._rules: dict[str, Rule] = {}
        self._terms: dict[str, tuple[str, ...]] = {}
        self._templates: list[tuple[Node, str]] = []
        self._allow_terms: set[str] = set()
        self._allow_templates: list[Node] = []

    def add(self, file: str, data: Any) -> None:
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise ValueError(f'{file}: a lexicon is a JSON object with "format": {FORMAT}')
        self._versions.append(_text(file, "version", data.get("version")))
        for name, defaults in _mapping(file, "types", data.get("types", {})).items():
            self._types[name] = {k: _text(file, f"types.{name}.{k}", v) for k, v in defaults.items()}
        for name, words in _mapping(file, "words", data.get("words", {})).items():
            self._words[name] = _texts(file, f"words.{name}", words)
        self._spelled_words.update(_texts(file, "evasive_words", data.get("evasive_words", [])))
        for name, context in _mapping(file, "contexts", data.get("contexts", {})).items():
            try:
                self._contexts[name] = Context.from_data(context)
            except (ValueError, TypeError, re.error) as error:
                raise ValueError(f"{file}: contexts.{name}: {error}") from error
        self._shared.extend(_texts(file, "shared_unless", data.get("shared_unless", [])))
        self._parser = TemplateParser(self._words, self._spelled_words)
        self._add_allowed(file, "allow", _mapping(file, "allow", data.get("allow", {})))
        rules = data.get("rules", [])
        if not isinstance(rules, list):
            raise ValueError(f"{file}: rules: a list is needed")  # noqa: TRY004 - one error for bad files
        for index, rule in enumerate(rules):
            named = rule.get("id") if isinstance(rule, dict) else None
            self._add_rule(file, f"rules[{index}] ({named})", _mapping(file, f"rules[{index}]", rule))

    def lexicon(self) -> Lexicon:
        rules = tuple(self._rules.values())
        index = {rule.id: number for number, rule in enumerate(rules)}
        numbers = {ids: tuple(sorted(index[i] for i in ids)) for ids in set(self._terms.values())}
        return Lexicon(
            version="+".join(self._versions),
            rules=rules,
            terms={term: numbers[ids] for term, ids in self._terms.items()},
            templates=tuple((node, index[rule]) for node, rule in self._templates),
            allow_terms=frozenset(self._allow_terms),
            allow_templates=tuple(self._allow_templates),
            contexts=dict(self._contexts),
            shared_unless=tuple(dict.fromkeys(self._shared)),
            spellings=Spellings(self._evasions, self._noise),
            normaliser=self._normaliser,
            fact_words=FactWords.packaged(),
        )

    def _add_allowed(self, file: str, entry: str, allow: Mapping[str, Any]) -> None:
        for term in _texts(file, f"{entry}.terms", allow.get("terms", [])):
            self._allow_terms.add(self._term(file, entry, term))
        for template in _texts(file, f"{entry}.templates", allow.get("templates", [])):
            self._allow_templates.append(self._parsed(file, entry, template))

    def _add_rule(self, file: str, entry: str, data: Mapping[str, Any]) -> None:
        unknown = sorted(set(data) - _RULE_KEYS)
        if unknown:
            raise ValueError(f"{file}: {entry}: unknown key {unknown[0]!r}")
        rule = self._rule(file, entry, data)
        if rule.id in self._rules:
            raise ValueError(f"{file}: {entry}: a rule of this id is there already")
        self._rules[rule.id] = rule
        evasive = data.get("evasive", False) is True
        terms = _texts(file, f"{entry}.terms", data.get("terms", []))
        templates = _texts(file, f"{entry}.templates", data.get("templates", []))
        if not terms and not templates:
            raise ValueError(f"{file}: {entry}: neither terms nor templates")
        alone = (rule.id,)
        folded = [self._term(file, entry, term) for term in terms]
        for term in folded:
            others = self._terms.get(term, alone)
            self._terms[term] = others if rule.id in others else (*others, rule.id)
        if evasive and folded:
            self._templates.append((Words(folded, spelled=True), rule.id))
        for template in templates:
            node = self._parsed(file, entry, template, evasive=evasive)
            self._templates.append((node, rule.id))
        self._add_allowed(file, f"{entry}.allow", _mapping(file, f"{entry}.allow", data.get("allow", {})))

    def _rule(self, file: str, entry: str, data: Mapping[str, Any]) -> Rule:
        kind = _text(file, f"{entry}.type", data.get("type"))
        if kind not in self._types:
            raise ValueError(f'{file}: {entry}: no type {kind!r} is described under "types"')
        merged = {**self._types[kind], **data}
        severity = str(merged.get("severity"))
        if severity not in Severity.__members__:
            raise ValueError(f"{file}: {entry}: severity must be one of {', '.join(Severity)}")
        categories = frozenset(_texts(file, f"{entry}.categories", data.get("categories", [])))
        if not categories <= set(CATEGORIES):
            raise ValueError(f"{file}: {entry}: unknown category {min(categories - set(CATEGORIES))!r}")
        requires = _texts(file, f"{entry}.requires", data.get("requires", []))
        unless = _texts(file, f"{entry}.unless", data.get("unless", []))
        if data.get("strict") is not True:
            unless += self._shared
        for name in (*requires, *unless):
            if name not in self._contexts:
                raise ValueError(f"{file}: {entry}: no context {name!r}")
        replacement = data.get("replacement")
        try:
            repairs = tuple((re.compile(pattern), str(safe)) for pattern, safe in data.get("repairs", []))
        except (re.error, TypeError, ValueError) as error:
            raise ValueError(f"{file}: {entry}.repairs: [pattern, with] pairs are needed: {error}") from error
        return Rule(
            id=_text(file, f"{entry}.id", data.get("id")),
            type=kind,
            severity=Severity(severity),
            message=_text(file, f"{entry}.message", merged.get("message")),
            suggestion=_text(file, f"{entry}.suggestion", merged.get("suggestion")),
            basis=_text(file, f"{entry}.basis", merged.get("basis")),
            categories=categories,
            unless=tuple(unless),
            requires=tuple(requires),
            replacement=None if replacement is None else str(replacement),
            repairs=repairs,
            stock_claim=data.get("stock_claim", False) is True,
            price_claim=data.get("price_claim", False) is True,
            disguised=data.get("disguised", False) is True,
        )

    def _term(self, file: str, entry: str, term: str) -> str:
        folded = self._normaliser.term(term)
        if not folded:
            raise ValueError(f"{file}: {entry}: the term {term!r} is empty once normalised")
        return folded

    def _parsed(self, file: str, entry: str, template: str, *, evasive: bool = False) -> Node:
        try:
            return self._parser.parse(template, evasive=evasive)
        except ValueError as error:
            raise ValueError(f"{file}: {entry}: {error}") from error


def _text(file: str, entry: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{file}: {entry}: a non-empty string is needed")
    return value


def _texts(file: str, entry: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError(f"{file}: {entry}: a list of non-empty strings is needed")
    return list(value)


def _mapping(file: str, entry: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{file}: {entry}: an object is needed")  # noqa: TRY004 - one error for bad files
    return value
