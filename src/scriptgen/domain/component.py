"""The state of one part of the service, as GetStatus and the health service report it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ComponentState(StrEnum):
    OK = "OK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """`name` is one of the contract's (`session_store`, `llm.primary`, …); `backend` what serves it now."""

    name: str
    state: ComponentState
    backend: str
    details: dict[str, str] = field(default_factory=dict)
