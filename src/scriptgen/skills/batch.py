"""Plans several scripts at once: the full set, several scenes or products, or several versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product as combinations
from typing import Final

import msgspec
from msgspec.structs import replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.session import Product
from scriptgen.domain.vocabulary import SUB_SCENARIOS, IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind, WritingTask

from .generate import new_script
from .protocol import SkillContext
from .tasks import MAX_AVOIDED, new_length

MAX_SCRIPTS: Final = 10
_NUMERALS: Final = {
    "一": 1,
    "两": 2,
    "二": 2,
    "三": 3,
    "四": 4,
    "五": 5,
    "六": 6,
    "七": 7,
    "八": 8,
    "九": 9,
    "十": 10,
}
_EACH: Final = re.compile(r"各|每")
_DEFAULT_VERSIONS: Final = 3  # 多来几版


class BatchSkill(msgspec.Struct, frozen=True):
    name: str = "batch"
    display_name: str = "批量写话术"
    description: str = "一次写全套八个环节，或几个环节、几个商品、几个版本，最多10条。"
    intents: tuple[IntentType, ...] = (IntentType.BATCH_GENERATION,)
    required_slots: tuple[str, ...] = ("category",)

    def claims(self, intent: Intent, query: str) -> bool:
        del query
        return intent.type in self.intents

    async def plan(self, context: SkillContext) -> SkillPlan:
        base = new_script(context)
        pieces = list(_pieces(context, base.sub_scenario))
        kept = pieces[:MAX_SCRIPTS]
        warnings: tuple[str, ...] = ()
        if len(pieces) > len(kept):
            warnings = (
                f"一次最多写{MAX_SCRIPTS}条，要的是{len(pieces)}条：先写前{MAX_SCRIPTS}条，剩下的请再说一次。",
            )
        tasks = tuple(_task(context, base, piece, number) for number, piece in enumerate(kept, 1))
        return SkillPlan(tasks=tasks, reply=_reply(kept), warnings=warnings)


class _Piece(msgspec.Struct, frozen=True):
    """One script of the batch; `version` is 0 where only one of its kind is written."""

    sub_scenario: str
    product: str
    event: str
    version: int

    @property
    def title(self) -> str:
        name = f"{self.event}{self.product}{self.sub_scenario}" or "话术"
        return f"{name}第{self.version}版" if self.version else name


def _pieces(context: SkillContext, inherited_scene: str) -> Iterator[_Piece]:
    slots = context.intent.slots
    scenes = _listed(slots.extra, "batch_sub_scenarios")
    products = _listed(slots.extra, "batch_products")
    events = _listed(slots.extra, "batch_events")
    versions = _versions(context, max(len(scenes), len(products), len(events)))
    scene = slots.sub_scenario
    if not (scenes or products or events or versions or scene):
        scenes = SUB_SCENARIOS
    elif not (scenes or products or events or versions):
        versions = _DEFAULT_VERSIONS
    numbers = range(1, versions + 1) if versions > 1 else range(1)
    every = combinations(products or ("",), events or ("",), scenes or (scene or inherited_scene,), numbers)
    yield from (_Piece(where, name, event, number) for name, event, where, number in every)


def _listed(extra: dict[str, str], key: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in extra.get(key, "").split("、") if part))


def _versions(context: SkillContext, listed: int) -> int:
    """How many versions of each; a count that only repeats the length of a list (三个品) means one."""
    typed = context.intent.slots.extra.get("batch_count", "")
    count = _NUMERALS.get(typed) or (int(typed) if typed.isdecimal() else 0)
    if listed and count == listed and not _EACH.search(context.query):
        return 0
    return min(count, MAX_SCRIPTS * 10)


def _task(context: SkillContext, base: WritingTask, piece: _Piece, number: int) -> WritingTask:
    sold = base.product
    if piece.product and piece.product != sold.name:
        sold = Product(name=piece.product)
        base = replace(base, kind=TaskKind.COMPOSE, source_text="", avoid=())
    elif base.source_text and piece.sub_scenario != base.sub_scenario:
        base = replace(
            base, kind=TaskKind.COMPOSE, source_text="", avoid=(*base.avoid, base.source_text)[-MAX_AVOIDED:]
        )
    return replace(
        base,
        instruction=f"{base.instruction}（这一条只写：{piece.title}，跟其他几条的开头和角度都要不同）",
        sub_scenario=piece.sub_scenario,
        event=piece.event or base.event,
        product=sold,
        forbidden_terms=tuple(term for term in base.forbidden_terms if term not in sold.name),
        target_characters=new_length(context, piece.sub_scenario),
        seed=f"{base.seed}:{number}",
    )


def _reply(pieces: list[_Piece]) -> str:
    return f"一共{len(pieces)}条：" + "、".join(piece.title for piece in pieces) + "。"
