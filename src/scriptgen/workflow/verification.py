"""Walks a session's checkpoint log and tells whether it still is what was written.

Not responsible for who may ask: see `sessions`.
"""

from __future__ import annotations

import msgspec

from scriptgen.domain.checkpoint import GENESIS_CHECKSUM, CheckpointRecord
from scriptgen.domain.session import SessionKey
from scriptgen.stores.protocols import CheckpointStore


class Verification(msgspec.Struct, frozen=True):
    """The result of walking a chain; `first_bad_version` is 0 when it is whole."""

    checked: int
    first_bad_version: int

    @property
    def valid(self) -> bool:
        return self.first_bad_version == 0


async def verify_chain(checkpoints: CheckpointStore, key: SessionKey) -> Verification:
    """Content, link and gap of every retained record; the oldest one's own link is taken as given after
    pruning, unless it is version 1.
    """
    checked = 0
    previous: CheckpointRecord | None = None
    async for record in checkpoints.walk(key):
        checked += 1
        if previous is None:
            linked = record.version > 1 or record.header.prev_checksum == GENESIS_CHECKSUM
        else:
            linked = (
                record.version == previous.version + 1 and record.header.prev_checksum == previous.checksum
            )
        if not linked or not record.intact():
            return Verification(checked, record.version)
        previous = record
    return Verification(checked, 0)
