"""Opening a session whose document and log may lie in different backends.

Not responsible for backends that can read both in one trip: those open sessions themselves.
"""

from __future__ import annotations

from scriptgen.domain.session import SessionKey

from .protocols import CheckpointStore, OpenedSession, SessionOpener, SessionStore


class ComposedOpener:
    """The log first, then the session, as `SessionOpener` promises: two round trips."""

    def __init__(self, sessions: SessionStore, checkpoints: CheckpointStore) -> None:
        self._sessions = sessions
        self._checkpoints = checkpoints

    async def open_session(self, key: SessionKey, request_id: str | None, *, turns: int) -> OpenedSession:
        log = await self._checkpoints.open(key, request_id)
        session = await self._sessions.load(key, turns=turns)
        return OpenedSession(session, log.latest, log.found)


def opener_for(sessions: SessionStore, checkpoints: CheckpointStore) -> SessionOpener:
    """The checkpoint store itself where it also holds the sessions, else one that asks both."""
    if checkpoints.commits_sessions and isinstance(checkpoints, SessionOpener):
        return checkpoints
    return ComposedOpener(sessions, checkpoints)
