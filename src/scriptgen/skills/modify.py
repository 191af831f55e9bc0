"""Changes one concrete thing in an earlier script and keeps the rest."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from msgspec.structs import replace

from scriptgen.domain.intent import Intent
from scriptgen.domain.session import Script
from scriptgen.domain.vocabulary import IntentType
from scriptgen.domain.writing import SkillPlan, TaskKind

from .protocol import SkillContext
from .tasks import asked_length, task_for
from .versions import source_script

_QUOTED: Final = r"(?:“([^”]{1,60})”|「([^」]{1,60})」|\"([^\"]{1,60})\"|『([^』]{1,60})』|‘([^’]{1,60})’)"
_REPLACEMENT: Final = re.compile(
    rf"{_QUOTED}[^“”「」\"『』‘’。！？\n]{{0,8}}(?:替换成|替换为|换成|改成|换为|改为|改作){_QUOTED}"
)
#: 把主播名字改成朵朵姐, and nothing besides.
_RENAMES_HOST: Final = re.compile(
    r"[^，,。；;]{0,8}(?:主播|达人|名字|艺名|人名)[^，,。；;]*(?:换|改|替)[^，,。；;]*$"
)
_HALF: Final = re.compile(r"(?:砍|缩短?|减|删)(?:掉|去|到|成)?(?:一半|半)|减半")
_PART: Final = re.compile(r"第.{1,3}[段句]|开头|结尾|中间|那句|这句|那段")


class ModifySkill(msgspec.Struct, frozen=True):
    name: str = "modify"
    display_name: str = "改话术"
    description: str = "在已有话术上改一处：换开头、加一句、删一句、缩短、换商品名、换称呼，其余保持原样。"
    intents: tuple[IntentType, ...] = (IntentType.SCRIPT_MODIFICATION,)
    required_slots: tuple[str, ...] = ("source_script",)

    def claims(self, intent: Intent, query: str) -> bool:
        del query
        return intent.type in self.intents

    async def plan(self, context: SkillContext) -> SkillPlan:
        source = source_script(context)
        task = task_for(context, TaskKind.MODIFY, source=source)
        length = asked_length(context)
        if not length and _HALF.search(context.query) and not _PART.search(context.query):
            length = len(source.content) // 2
        edited = literal_edit(context.query, source.content) or _renamed(context, source)
        task = replace(
            task,
            target_characters=length,
            # An exact replacement is done exactly, also where it leaves something of the old product.
            forbidden_terms=() if edited else _without_old_name(context, source),
            fixed_text=edited,
        )
        absent = [old for old, _ in _replacements(context.query) if old not in source.content]
        warnings = tuple(
            f"这一版里没有“{old}”，没有可换的地方；要改别的版本，说第几版就行。" for old in absent
        )
        return SkillPlan(tasks=(task,), warnings=warnings)


def literal_edit(query: str, source: str) -> str:
    """`source` with every quoted “A” that is to become “B” replaced; "" when the query states no such pair
    or the script does not hold A.
    """
    text = source
    for old, new in _replacements(query):
        text = text.replace(old, new)
    return "" if text == source else text


def _replacements(query: str) -> list[tuple[str, str]]:
    """The pairs of 把“A”改成“B”."""
    pairs = []
    for found in _REPLACEMENT.finditer(query):
        old, new = (group for group in found.groups() if group is not None)
        pairs.append((old, new))
    return pairs


def _renamed(context: SkillContext, source: Script) -> str:
    """`source` with its host renamed, where nothing else is asked; "" when it names none."""
    new = context.intent.slots.target_name
    if not new or new not in context.query or not _RENAMES_HOST.match(context.query):
        return ""
    turns = reversed(context.conversation.history)
    earlier = [turn.intent.slots.target_name for turn in turns if turn.intent is not None]
    names = (*earlier, context.session.influencer.name)
    old = next((name for name in names if name and name != new and name in source.content), "")
    return source.content.replace(old, new) if old else ""


def _without_old_name(context: SkillContext, source: Script) -> tuple[str, ...]:
    """产品名换成…: the name that the script was written for goes with the product."""
    terms, old, new = context.forbidden_terms, source.product_name, context.product.name
    if context.intent.product_switched and old and new and old not in new and old not in terms:
        return (*terms, old)
    return terms
