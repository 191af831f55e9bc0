"""The closed sets of Chinese terms that slots, lexicon packs and the contract share.

Only the canonical values live here; synonyms and trigger words are data files of the rooms that read them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

CATEGORIES: Final = ("美妆", "食品", "服饰", "数码", "家居", "母婴", "个护", "珠宝", "图书", "其他")
SCENARIOS: Final = ("直播带货", "短视频", "种草文案")
SUB_SCENARIOS: Final = (
    "开场话术",
    "留人互动",
    "产品介绍",
    "卖点介绍",
    "促销话术",
    "逼单话术",
    "售后答疑",
    "下播话术",
)
EVENTS: Final = ("618大促", "双十一", "双十二", "年货节", "38女王节", "七夕", "母亲节", "周年庆")
STYLES: Final = ("活泼", "专业", "幽默", "亲和", "高端", "口语", "温柔", "激情")


class IntentType(StrEnum):
    """What the operator wants done; values are the contract's names without their prefix."""

    SCRIPT_GENERATION = "SCRIPT_GENERATION"
    SCRIPT_MODIFICATION = "SCRIPT_MODIFICATION"
    SCRIPT_OPTIMIZATION = "SCRIPT_OPTIMIZATION"
    SCRIPT_TRANSLATION = "SCRIPT_TRANSLATION"
    BATCH_GENERATION = "BATCH_GENERATION"
    QUERY = "QUERY"
    OTHER = "OTHER"


#: Intents that act on an existing script and so need one (from the session or pasted into the query).
REWRITING_INTENTS: Final = frozenset(
    {IntentType.SCRIPT_MODIFICATION, IntentType.SCRIPT_OPTIMIZATION, IntentType.SCRIPT_TRANSLATION}
)
#: Intents that write something new and so need to know what is being sold.
WRITING_INTENTS: Final = frozenset({IntentType.SCRIPT_GENERATION, IntentType.BATCH_GENERATION})


class Stage(StrEnum):
    """The workflow's stages, in the order of the contract's `StageChanged`."""

    CONTEXT_LOADING = "CONTEXT_LOADING"
    INTENT_RECOGNIZING = "INTENT_RECOGNIZING"
    INTENT_CLARIFYING = "INTENT_CLARIFYING"
    SKILL_EXECUTING = "SKILL_EXECUTING"
    PROFILE_FETCHING = "PROFILE_FETCHING"
    SCRIPT_GENERATING = "SCRIPT_GENERATING"
    QUALITY_CHECKING = "QUALITY_CHECKING"
    REGENERATING = "REGENERATING"
    COMPLETED = "COMPLETED"
    DEGRADED = "DEGRADED"


class GenerationStatus(StrEnum):
    """How a generation ended for its caller. A failure is an error, never a status."""

    COMPLETED = "COMPLETED"
    DEGRADED = "DEGRADED"
    CLARIFYING = "CLARIFYING"
    CANCELLED = "CANCELLED"
