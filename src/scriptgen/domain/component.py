"""The state of one part of the service, as GetStatus and the health service report it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ComponentState(StrEnum):
    OK = "OK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


class ComponentStatus(msgspec.Struct, frozen=True):
    """`name` is one of the contract's (`session_store`, `llm.primary`, …); `backend` what serves it now."""

    name: str
    state: ComponentState
    backend: str
    details: dict[str, str] = msgspec.field(default_factory=dict)
