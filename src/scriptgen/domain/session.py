"""A conversation and what belongs to it: influencer, product, turns, scripts.

The session is split into a small head, which every request reads and writes under compare-and-set, and the
turns and scripts, which are only appended. A session of 500 turns therefore costs a request no more than one
of 10. Times are microseconds since the Unix epoch, UTC.
"""

from __future__ import annotations

import msgspec

from .intent import Intent, PendingRequest, Slots
from .quality import QualityReport
from .vocabulary import GenerationStatus


class SessionKey(msgspec.Struct, frozen=True):
    """The only way to name a session: the tenant is part of every storage key."""

    tenant_id: str
    session_id: str


class Product(msgspec.Struct, frozen=True):
    """What is sold. The only source of numbers, materials, certificates and prices in a script."""

    product_id: str = ""
    name: str = ""
    brand: str = ""
    price: str = ""
    selling_points: tuple[str, ...] = ()
    facts: dict[str, str] = msgspec.field(default_factory=dict)


class Style(msgspec.Struct, frozen=True):
    """How an influencer speaks. None means not given; ratios are 0..1, sentence length is in characters."""

    tone: str = ""
    formality: float | None = None
    catchphrases: tuple[str, ...] = ()
    humor: float | None = None
    avg_sentence_length: float | None = None
    interaction: float | None = None


class Influencer(msgspec.Struct, frozen=True):
    """The person who will read the script aloud (达人)."""

    influencer_id: str = ""
    name: str = ""
    platform: str = ""
    style: Style = msgspec.field(default_factory=Style)
    audience: str = ""
    sample_scripts: tuple[str, ...] = ()


class Script(msgspec.Struct, frozen=True):
    """One written script. `version` counts the scripts of the session from 1."""

    script_id: str
    content: str
    category: str = ""
    scenario: str = ""
    sub_scenario: str = ""
    product_name: str = ""
    turn_index: int = 0
    version: int = 1
    model: str = ""
    backend: str = ""
    quality: QualityReport | None = None
    adopted: bool = False
    create_time: int = 0


class Turn(msgspec.Struct, frozen=True):
    """One query and what came of it. `reply` never repeats a script."""

    turn_index: int
    query: str
    resolved_query: str = ""
    intent: Intent | None = None
    reply: str = ""
    script_ids: tuple[str, ...] = ()
    status: GenerationStatus = GenerationStatus.COMPLETED
    create_time: int = 0


class SessionHead(msgspec.Struct, frozen=True):
    """Everything of a session but its turns and scripts; written under compare-and-set on `revision`.

    `applied_version` is the newest checkpoint whose result this head already contains: a terminal record
    beyond it is rolled forward on load. `summary` compresses turns that left the history window.
    """

    tenant_id: str
    session_id: str
    user_id: str = ""
    influencer: Influencer = msgspec.field(default_factory=Influencer)
    category: str = ""
    product: Product = msgspec.field(default_factory=Product)
    slots: Slots = msgspec.field(default_factory=Slots)
    revision: int = 1
    last_status: GenerationStatus | None = None
    turn_count: int = 0
    script_count: int = 0
    applied_version: int = 0
    pending: PendingRequest | None = None
    summary: str = ""
    origin: str = ""  # fingerprint of the request that made the session
    create_time: int = 0
    update_time: int = 0

    @property
    def key(self) -> SessionKey:
        return SessionKey(self.tenant_id, self.session_id)


class Session(msgspec.Struct, frozen=True):
    """A head with turns (oldest first) and the scripts those turns wrote, possibly only the newest."""

    head: SessionHead
    turns: tuple[Turn, ...] = ()
    scripts: tuple[Script, ...] = ()


class SessionWrite(msgspec.Struct, frozen=True):
    """One atomic change: the new head if the stored revision is `expected_revision`, plus rows to add.

    `head.revision` must be `expected_revision + 1`. Turns are keyed by index, scripts by id; a script that is
    there already is replaced (adoption).
    """

    head: SessionHead
    expected_revision: int
    turns: tuple[Turn, ...] = ()
    scripts: tuple[Script, ...] = ()
