"""The one writer of a database file: a thread that commits what is waiting together.

While a commit waits for the disk, further changes queue up; the next transaction takes them all. Each change
has a savepoint and a verdict of its own, and nobody is told "done" before the commit is on disk.
Not responsible for what the changes do.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from scriptgen.domain.errors import StoreUnavailableError

from .faults import store_error

T = TypeVar("T")
Change = Callable[[sqlite3.Connection], T]


class _Job(msgspec.Struct, frozen=True):
    change: Change[Any]
    future: asyncio.Future[Any]


class _Verdict(msgspec.Struct, frozen=True):
    job: _Job
    result: Any = None
    error: BaseException | None = None


class GroupWriter:
    """`queue_limit` changes may wait; `group_limit` share one transaction."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        *,
        queue_limit: int,
        group_limit: int,
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._queue_limit = queue_limit
        self._group_limit = group_limit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self.last_error: StoreUnavailableError | None = None
        self._thread.start()

    def submit(self, change: Change[T]) -> asyncio.Future[T]:
        """Queue a change. A future cancelled before its turn is skipped; later it completes unheard."""
        if self._stopping:
            raise StoreUnavailableError("The service's database is closed.")
        if self._jobs.qsize() >= self._queue_limit:
            raise StoreUnavailableError("The service's database has too much to write.")
        future: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(change, future))
        return future

    def stop(self) -> None:
        """Finish what is queued and end the thread. Blocks: call it from a thread."""
        if not self._stopping:
            self._stopping = True
            self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        stopped = False
        while not stopped:
            group = self._next_group()
            stopped = group[-1] is None
            jobs = [job for job in group if job is not None and not job.future.cancelled()]
            if jobs:
                verdicts = self._commit(jobs)
                self._loop.call_soon_threadsafe(_tell, verdicts)

    def _next_group(self) -> list[_Job | None]:
        """Everything that waits, at least one, at most `group_limit`; ends early at the stop mark."""
        group = [self._jobs.get()]
        while group[-1] is not None and len(group) < self._group_limit:
            try:
                group.append(self._jobs.get_nowait())
            except queue.Empty:
                break
        return group

    def _commit(self, jobs: list[_Job]) -> list[_Verdict]:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            # Looked at once more: BEGIN may have waited for another process.
            verdicts = [self._apply(job) for job in jobs if not job.future.cancelled()]
            connection.execute("COMMIT")
        except BaseException as error:  # noqa: BLE001 - raised again in every caller, through their futures
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            verdicts = [_failed(job, error) for job in (*jobs, *self._still_queued())]
        errors = (verdict.error for verdict in verdicts)
        self.last_error = next((e for e in errors if isinstance(e, StoreUnavailableError)), None)
        return verdicts

    def _still_queued(self) -> list[_Job]:
        """What else waits when a whole group failed: to wait as long again, group by group, has no bound."""
        waiting = []
        for _ in range(self._jobs.qsize()):
            job = self._jobs.get_nowait()
            if job is None:
                self._jobs.put(None)
                break
            waiting.append(job)
        return waiting

    def _apply(self, job: _Job) -> _Verdict:
        connection = self._connection
        connection.execute("SAVEPOINT change")
        try:
            result = job.change(connection)
        except BaseException as error:
            if not connection.in_transaction:
                raise  # SQLite gave up the whole transaction (disk full): nobody's change is kept
            connection.execute("ROLLBACK TO change")
            connection.execute("RELEASE change")
            return _failed(job, error)
        connection.execute("RELEASE change")
        return _Verdict(job, result)


def _failed(job: _Job, error: BaseException) -> _Verdict:
    return _Verdict(job, error=store_error(error) if isinstance(error, sqlite3.Error) else error)


def _tell(verdicts: list[_Verdict]) -> None:
    for verdict in verdicts:
        if verdict.job.future.done():
            continue
        if verdict.error is not None:
            verdict.job.future.set_exception(verdict.error)
        else:
            verdict.job.future.set_result(verdict.result)
