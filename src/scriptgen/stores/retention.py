"""How much every store keeps. Not responsible for when a caller prunes by hand."""

from __future__ import annotations

import msgspec


class Retention(msgspec.Struct, frozen=True):
    """Limits of every backend; the defaults suit one worker.

    `max_turns` and `max_checkpoints` are per session: the oldest turns (with their scripts) go with every
    write, the oldest records when a terminal record is appended, so never those of an unfinished request; a
    backend may let a tenth more of them gather first.
    `ttl_seconds` counts from a session's last write; after it the session and its log may be dropped at any
    time (0: kept for ever). `max_sessions` bounds the memory backend, which refuses a new session beyond it
    instead of forgetting an old one.
    """

    max_turns: int = 500
    max_checkpoints: int = 500
    ttl_seconds: int = 0
    max_sessions: int = 100_000

    def __post_init__(self) -> None:
        if self.max_turns < 1 or self.max_checkpoints < 1 or self.max_sessions < 1 or self.ttl_seconds < 0:
            raise ValueError("retention limits must be positive, ttl_seconds 0 or more")
