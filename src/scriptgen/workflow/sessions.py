"""Reading and changing sessions: visibility, roll-forward, create, update, delete, fork, adopt.

Every way to a session goes through here, so that a session of another tenant or user answers exactly like an
absent one and a recorded turn is never missing. Does not run generations.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

import msgspec
from msgspec.structs import replace

from scriptgen.domain.canonical import canonical_json, sha256_hex
from scriptgen.domain.checkpoint import CheckpointHeader, CheckpointRecord
from scriptgen.domain.errors import (
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    RevisionConflictError,
    SessionExistsError,
)
from scriptgen.domain.generation import GenerationRequest
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import (
    Influencer,
    Product,
    Script,
    Session,
    SessionHead,
    SessionKey,
    SessionWrite,
)
from scriptgen.stores.protocols import (
    CheckpointStore,
    OpenedSession,
    SessionFilter,
    SessionOpener,
    SessionPage,
    SessionStore,
)

from .journal import now_us
from .projection import forked, merged, outcome_of, unapplied
from .verification import Verification, verify_chain

_CONFLICT_RETRIES = 5


class SessionChange(msgspec.Struct, frozen=True):
    """New values for UpdateSession; None leaves the old one."""

    influencer: Influencer | None = None
    category: str | None = None
    product: Product | None = None


def session_not_found() -> NotFoundError:
    return NotFoundError("There is no such session.", reason="SESSION_NOT_FOUND")


class Sessions:
    """Sessions and their logs as callers may see them."""

    def __init__(
        self,
        sessions: SessionStore,
        checkpoints: CheckpointStore,
        opener: SessionOpener,
        *,
        window_turns: int,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self._sessions = sessions
        self._checkpoints = checkpoints
        self._opener = opener
        self._window_turns = window_turns
        self._clock = clock

    async def open(self, key: SessionKey, principal: Principal, request_id: str | None) -> OpenedSession:
        """The session's recent part, the newest record and that of `request_id`, rolled forward."""
        for _ in range(_CONFLICT_RETRIES):
            opened = await self._opener.open_session(key, request_id, turns=self._window_turns)
            session = opened.session
            if session is None or not principal.may_see(session.head.user_id):
                raise session_not_found()
            outcome = unapplied(session.head, opened.latest)
            if outcome is None or opened.latest is None:
                return opened
            await self._roll_forward(session.head, opened.latest)
        raise RevisionConflictError("The session is being changed by others.", retry_after=0.1)

    async def open_for(self, request: GenerationRequest, principal: Principal) -> OpenedSession:
        """What a generation starts from."""
        return await self.open(request.key, principal, request.request_id if request.deduplicate else None)

    async def get(self, key: SessionKey, principal: Principal) -> Session:
        """The whole session, rolled forward."""
        await self.open(key, principal, None)
        session = await self._sessions.load(key)
        if session is None:
            raise session_not_found()
        return session

    async def list(
        self, principal: Principal, *, category: str, influencer_name: str, page_size: int, cursor: str
    ) -> SessionPage:
        where = SessionFilter(
            user_id=None if principal.sees_all_users else principal.user_id,
            category=category,
            influencer_name=influencer_name,
        )
        try:
            return await self._sessions.list(principal.tenant_id, where, page_size=page_size, cursor=cursor)
        except ValueError:
            violation = FieldViolation("page_token", "not a token of this service")
            raise InvalidArgumentError([violation]) from None

    async def create(
        self,
        principal: Principal,
        *,
        influencer: Influencer,
        category: str,
        product: Product,
        request_id: str,
    ) -> Session:
        """A new session; the same `request_id` gives the same session again."""
        if not principal.may_write_for(category):
            raise category_not_allowed()
        now = self._clock()
        content = sha256_hex(canonical_json((influencer, category, product)))
        session_id = self._session_id(principal, "create", request_id)
        head = SessionHead(
            tenant_id=principal.tenant_id,
            session_id=session_id,
            user_id=principal.user_id,
            influencer=influencer,
            category=category,
            product=product,
            origin=content,
            create_time=now,
            update_time=now,
        )
        return await self._create(Session(head), principal)

    async def update(
        self, key: SessionKey, principal: Principal, change: SessionChange, expected_revision: int
    ) -> SessionHead:
        """Apply `change`; `expected_revision` 0 means whatever revision is stored."""
        if change.category is not None and not principal.may_write_for(change.category):
            raise category_not_allowed()
        for _ in range(_CONFLICT_RETRIES):
            opened = await self.open(key, principal, None)
            head = self._present(opened).head
            if expected_revision and head.revision != expected_revision:
                raise RevisionConflictError(
                    f"The session is at revision {head.revision}, not {expected_revision}.",
                    metadata={"revision": str(head.revision)},
                    retry_after=0.1,
                )
            after = replace(
                head,
                influencer=head.influencer if change.influencer is None else change.influencer,
                category=head.category if change.category is None else change.category,
                product=head.product if change.product is None else change.product,
                revision=head.revision + 1,
                update_time=self._clock(),
            )
            try:
                await self._sessions.save(SessionWrite(after, head.revision))
            except RevisionConflictError:
                continue
            return after
        raise RevisionConflictError("The session is being changed by others.", retry_after=0.1)

    async def delete(self, key: SessionKey, principal: Principal) -> None:
        session = await self._sessions.load(key, turns=0)
        if session is None or not principal.may_see(session.head.user_id):
            raise session_not_found()
        # The log goes last: a crash in between leaves records nobody can reach, never a session without log.
        if not await self._sessions.delete(key):
            raise session_not_found()
        await self._checkpoints.delete(key)

    async def adopt(
        self, key: SessionKey, principal: Principal, script_id: str
    ) -> tuple[Script, SessionHead, bool]:
        """Mark a script adopted; the third value is false when it was so already."""
        for _ in range(_CONFLICT_RETRIES):
            session = await self.get(key, principal)
            script = next((s for s in session.scripts if s.script_id == script_id), None)
            if script is None:
                raise NotFoundError("There is no such script in the session.", reason="SCRIPT_NOT_FOUND")
            if script.adopted:
                return script, session.head, False
            adopted = replace(script, adopted=True)
            head = replace(session.head, revision=session.head.revision + 1, update_time=self._clock())
            try:
                await self._sessions.save(SessionWrite(head, session.head.revision, scripts=(adopted,)))
            except RevisionConflictError:
                continue
            return adopted, session.head, True
        raise RevisionConflictError("The session is being changed by others.", retry_after=0.1)

    async def fork(self, key: SessionKey, principal: Principal, version: int, request_id: str) -> Session:
        """A new session as this one stood when record `version` was written; it starts a log of its own."""
        session = await self.get(key, principal)
        record = await self.checkpoint(key, principal, version)
        outcome = outcome_of(record)
        while outcome is None and record.version > 1:
            earlier = await self._checkpoints.get(key, record.version - 1)
            if earlier is None:
                raise checkpoint_not_found()  # pruned: nobody knows any more how the session stood
            record, outcome = earlier, outcome_of(earlier)
        session_id = self._session_id(principal, f"fork:{key.session_id}:{version}", request_id)
        origin = sha256_hex(canonical_json((key, version)))
        fork = forked(session, outcome, session_id=session_id, origin=origin, now=self._clock())
        return await self._create(fork, principal)

    async def checkpoints(
        self, key: SessionKey, principal: Principal, *, page_size: int, before_version: int | None
    ) -> Sequence[tuple[CheckpointHeader, str]]:
        """Headers with their checksums, newest first."""
        await self.visible(key, principal)
        return await self._checkpoints.list(key, page_size=page_size, before_version=before_version)

    async def checkpoint(self, key: SessionKey, principal: Principal, version: int) -> CheckpointRecord:
        await self.visible(key, principal)
        record = await self._checkpoints.get(key, version)
        if record is None:
            raise checkpoint_not_found()
        return record

    async def latest_checkpoint(self, key: SessionKey, principal: Principal) -> CheckpointRecord:
        await self.visible(key, principal)
        record = await self._checkpoints.latest(key)
        if record is None:
            raise checkpoint_not_found()
        return record

    async def visible(self, key: SessionKey, principal: Principal) -> SessionHead:
        """The head, if this caller may see the session."""
        session = await self._sessions.load(key, turns=0)
        if session is None or not principal.may_see(session.head.user_id):
            raise session_not_found()
        return session.head

    async def verify(self, key: SessionKey, principal: Principal) -> Verification:
        """Walk the retained chain: contents, links and gaps."""
        await self.visible(key, principal)
        return await verify_chain(self._checkpoints, key)

    async def _roll_forward(self, head: SessionHead, record: CheckpointRecord) -> None:
        outcome = outcome_of(record)
        if outcome is None:
            return
        try:
            await self._sessions.save(merged(head, outcome, version=record.version, now=self._clock()))
        except RevisionConflictError:
            return  # somebody else rolled it forward; the caller reads again

    async def _create(self, session: Session, principal: Principal) -> Session:
        try:
            await self._sessions.create(session)
        except SessionExistsError:
            existing = await self.get(session.head.key, principal)
            if existing.head.origin != session.head.origin:
                raise FailedPreconditionError(
                    "This request_id was used for another session.", reason="REQUEST_ID_REUSED"
                ) from None
            return existing
        return session

    @staticmethod
    def _session_id(principal: Principal, purpose: str, request_id: str) -> str:
        """Random, or derived from the request id, which makes a retry find the session it made."""
        if not request_id:
            return f"ses_{secrets.token_hex(12)}"
        parts = (principal.tenant_id, principal.user_id, purpose, request_id)
        return f"ses_{sha256_hex(canonical_json(parts))[:24]}"

    @staticmethod
    def _present(opened: OpenedSession) -> Session:
        if opened.session is None:
            raise session_not_found()
        return opened.session


def checkpoint_not_found() -> NotFoundError:
    return NotFoundError("There is no such checkpoint.", reason="CHECKPOINT_NOT_FOUND")


def category_not_allowed() -> PermissionDeniedError:
    return PermissionDeniedError(
        "This credential does not allow that category.", reason="CATEGORY_NOT_ALLOWED"
    )
