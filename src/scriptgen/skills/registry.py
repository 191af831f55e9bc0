"""Which skills there are and which one serves a request. Third parties are found by entry point."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, cast

from scriptgen.agents.answer import AnswerAgent
from scriptgen.domain.intent import Intent

from .answer import AnswerSkill
from .batch import BatchSkill
from .generate import GenerateSkill
from .modify import ModifySkill
from .optimize import OptimizeSkill
from .protocol import Skill, SkillDescription
from .translate import TranslateSkill

ENTRY_POINT_GROUP: Final = "scriptgen.skills"
_TEXTS: Final = ("name", "display_name", "description")
_METHODS: Final = ("claims", "plan")
_log = logging.getLogger(__name__)


class SkillRegistry:
    """Skills in the order in which they are asked; `problems` names third-party skills left out, and why."""

    def __init__(self, skills: Sequence[Skill], *, problems: Sequence[str] = ()) -> None:
        names = [skill.name for skill in skills]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"skill names must be unique: {', '.join(doubled)}")
        self._skills = tuple(skills)
        self.problems = tuple(problems)

    @classmethod
    def default(
        cls, answers: AnswerAgent | None = None, *, found: Iterable[EntryPoint] | None = None
    ) -> SkillRegistry:
        """Third-party skills first, so that they can take a request over, then the built-in ones.

        `answers` asks the model what the answer skill does not know by rule; None: it says so. `found`
        replaces the installed entry points (for tests and embedders).
        """
        builtin = builtin_skills(answers)
        taken = {skill.name for skill in builtin}
        third_party: list[Skill] = []
        problems: list[str] = []
        for entry in entry_points(group=ENTRY_POINT_GROUP) if found is None else found:
            try:
                skill = _loaded(entry, taken)
            # Foreign code can fail in any way while it is imported, and must not keep the service down.
            except Exception as error:  # noqa: BLE001
                problems.append(f"skill {entry.name} ({entry.value}) is left out: {error}")
                _log.warning("%s", problems[-1])
                continue
            taken.add(skill.name)
            third_party.append(skill)
        return cls((*third_party, *builtin), problems=problems)

    def select(self, intent: Intent, query: str) -> Skill:
        """The first skill that serves the intent and claims the request."""
        for skill in self._skills:
            if intent.type in skill.intents and skill.claims(intent, query):
                return skill
        raise LookupError(f"no skill serves {intent.type.value}")

    def named(self, name: str) -> Skill:
        """The skill of this name; raises `LookupError` when there is none (any more)."""
        for skill in self._skills:
            if skill.name == name:
                return skill
        raise LookupError(f"there is no skill named {name!r}")

    def describe(self) -> tuple[SkillDescription, ...]:
        return tuple(
            SkillDescription(s.name, s.display_name, s.description, s.intents, s.required_slots)
            for s in self._skills
        )


def builtin_skills(answers: AnswerAgent | None = None) -> tuple[Skill, ...]:
    return (
        GenerateSkill(),
        ModifySkill(),
        OptimizeSkill(),
        TranslateSkill(),
        BatchSkill(),
        AnswerSkill(answers),
    )


def _loaded(entry: EntryPoint, taken: set[str]) -> Skill:
    """The skill behind an entry point: an instance, or a class that needs no arguments."""
    loaded = entry.load()
    skill: Any = loaded() if inspect.isclass(loaded) else loaded
    wrong = [
        name for name in _TEXTS if not (isinstance(getattr(skill, name, None), str) and getattr(skill, name))
    ]
    wrong += [name for name in _METHODS if not callable(getattr(skill, name, None))]
    wrong += [
        name for name in ("intents", "required_slots") if not isinstance(getattr(skill, name, None), tuple)
    ]
    if wrong:
        raise TypeError(f"it lacks or has wrongly: {', '.join(wrong)}")
    if skill.name in taken:
        raise ValueError(f"the name {skill.name!r} is taken")
    return cast("Skill", skill)
