"""What a skill asks to be written: one task per script, in terms that a model prompt and the template
writer can both be made from.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from .generation import Usage
from .profile import StyleProfile
from .session import Product


class TaskKind(StrEnum):
    """How a script comes about."""

    COMPOSE = "COMPOSE"  # written anew from scene, product and style
    CONTINUE = "CONTINUE"  # another one after `source_text`, with another opening
    MODIFY = "MODIFY"  # `source_text` with one concrete change, the rest kept
    OPTIMIZE = "OPTIMIZE"  # `source_text` made better in the asked direction, facts kept
    TRANSLATE = "TRANSLATE"  # `source_text` in another style, form, dialect or language


class WritingTask(msgspec.Struct, frozen=True):
    """One script to write. All texts are data, never instructions to the service.

    `target_characters` 0 means the scene's own length. `seed` makes the template writer's choices: the same
    seed and task give the same text. `instruction` is the operator's query (resolved). `avoid` holds openings
    or whole texts of earlier versions that must not be repeated. `fixed_text`, when set, is the finished
    text: a deterministic edit that needs no writer.
    """

    kind: TaskKind
    instruction: str
    category: str = ""
    scenario: str = ""
    sub_scenario: str = ""
    event: str = ""
    styles: tuple[str, ...] = ()
    product: Product = msgspec.field(default_factory=Product)
    influencer_name: str = ""
    audience: str = ""
    profile: StyleProfile = msgspec.field(default_factory=StyleProfile)
    source_text: str = ""
    avoid: tuple[str, ...] = ()
    forbidden_terms: tuple[str, ...] = ()  # the old product's names and facts after a product switch
    history: str = ""  # compressed conversation, already inside its token budget
    target_characters: int = 0
    seed: str = ""
    feedback: tuple[str, ...] = ()  # why the last attempt did not pass
    fixed_text: str = ""


class SkillPlan(msgspec.Struct, frozen=True):
    """What a skill decided: scripts to write, or a reply, or (for an answer) a question for the model.

    `reply` is shown to the operator. With tasks it stands beside the scripts. `usage` counts the tokens of
    model calls the skill itself made.
    """

    tasks: tuple[WritingTask, ...] = ()
    reply: str = ""
    warnings: tuple[str, ...] = ()
    usage: Usage = msgspec.field(default_factory=Usage)
