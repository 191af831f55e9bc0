"""Events of running generations in Redis streams, for listeners that are connected to another instance.

Best effort and short-lived: the checkpoint log decides what happened. Not responsible for when to publish.
"""

from __future__ import annotations

import hashlib
import time
from importlib.resources import files
from typing import Any, Final

import msgspec

from scriptgen.domain.canonical import canonical_json
from scriptgen.domain.errors import StoreUnavailableError
from scriptgen.domain.generation import (
    GenerationEvent,
    GenerationResult,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
    StageChanged,
)
from scriptgen.domain.intent import Clarification
from scriptgen.domain.quality import QualityReport
from scriptgen.domain.session import SessionKey
from scriptgen.stores.protocols import RelayBatch, RelayedPart, RelayEnd

from .backend import RedisBackend, Script

#: Batches read at a time.
READ_BATCHES: Final = 64
#: After a failure nothing is tried for so long, so that an outage costs a caller one wait and no queue.
AWAY_SECONDS: Final = 1.0

_KINDS: Final[dict[str, type[GenerationEvent]]] = {
    "stage": StageChanged,
    "delta": ScriptDelta,
    "reset": ScriptReset,
    "clarification": Clarification,
    "quality": QualityReport,
    "result": GenerationResult,
}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
# Made here once: making decoders of one type in two threads at the same time is not safe.
_DECODERS: Final = {name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()}
_BATCH: Final = msgspec.json.Decoder(list[tuple[int, str, msgspec.Raw]])


def _script(name: str) -> Script:
    source = (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return Script(source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


PUBLISH: Final = _script("publish_events")
READ: Final = _script("read_events")


class RedisEventRelay:
    """See `EventRelay`. One round trip for each call; both keys of a request lie in its session's slot."""

    def __init__(self, backend: RedisBackend, *, ttl_seconds: float, max_batches: int = 4096) -> None:
        """`ttl_seconds` after the last sign of life a request's events are gone."""
        self._backend = backend
        self._ttl_ms = max(1, round(ttl_seconds * 1000))
        self._max_batches = max_batches
        self._away_until = float("-inf")

    async def publish(self, key: SessionKey, request_id: str, batch: RelayBatch) -> float | None:
        first = batch.events[0].sequence if batch.events else batch.next_sequence
        since = await self._run(
            PUBLISH,
            key,
            request_id,
            [
                batch.run,
                batch.fingerprint,
                first,
                first + len(batch.events) - 1,
                _encoded(batch.events),
                batch.ended.value if batch.ended else "",
                int(batch.begins),
                self._max_batches,
                self._ttl_ms,
            ],
        )
        if since == _OVERTAKEN:
            return None
        if since == _MISSING:
            raise LookupError("what was published before is gone")
        return float("inf") if since < 0 else since / 1000

    async def read(self, key: SessionKey, request_id: str, *, after: int) -> RelayedPart | None:
        answer = await self._run(READ, key, request_id, [after, READ_BATCHES])
        if not answer:
            return None
        run, fingerprint, first, last, ended, silent_ms, batches = answer
        try:
            events = _in_order([event for batch in batches for event in _decoded(batch)], after)
        except msgspec.ValidationError:
            return None  # written by another version of the service; its own instances read it
        return RelayedPart(
            run,
            fingerprint.decode(),
            first,
            last,
            RelayEnd(ended.decode()) if ended else None,
            silent_ms / 1000,
            events,
        )

    async def _run(self, script: Script, key: SessionKey, request_id: str, words: list[Any]) -> Any:
        if time.monotonic() < self._away_until:
            raise StoreUnavailableError("Redis did not answer a moment ago.", retry_after=AWAY_SECONDS)
        try:
            return await self._backend.run(script, self._backend.keys.events(key, request_id), words)
        except StoreUnavailableError:
            self._away_until = time.monotonic() + AWAY_SECONDS
            raise


_OVERTAKEN: Final = -2
_MISSING: Final = -3


def _in_order(events: list[SequencedEvent], after: int) -> tuple[SequencedEvent, ...]:
    """Those after `after`, each once: a batch that was sent again overlaps the one before."""
    fresh = []
    for event in events:
        if event.sequence > after:
            fresh.append(event)
            after = event.sequence
    return tuple(fresh)


def _encoded(events: tuple[SequencedEvent, ...]) -> bytes:
    return canonical_json([(event.sequence, _NAMES[type(event.event)], event.event) for event in events])


def _decoded(batch: bytes) -> list[SequencedEvent]:
    """Raises `msgspec.ValidationError` for what this version does not know."""
    found = []
    for sequence, name, body in _BATCH.decode(batch):
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise msgspec.ValidationError(f"unknown event {name!r}")
        found.append(SequencedEvent(sequence, decoder.decode(body)))
    return found
