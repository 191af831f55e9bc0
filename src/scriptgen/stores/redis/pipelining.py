"""A Redis client whose commands share a round trip: what is asked for in one turn of the event loop is sent
in one write, in the order it was asked for, and answered together.

Not for blocking commands, which would hold up the others, nor for Cluster, where commands go to many nodes.
Bounds nothing by itself: a caller that leaves in time is what ends a batch that nobody waits for any more.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

Asked = tuple[tuple[Any, ...], asyncio.Future[Any]]


class PipeliningRedis(Redis):
    """Each command has its own answer or error; a connection that breaks is an error of all that lack theirs.

    A caller that is cancelled before the batch is sent has asked for nothing; later its command runs all the
    same and only the answer is dropped, as with any command on its way.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._asked: list[Asked] = []
        self._exchanges: set[asyncio.Task[None]] = set()

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        """The answer to one command. One with `options`, which the library has for itself, goes alone."""
        if options or self.single_connection_client:
            plain: Any = super().execute_command
            return await plain(*words, **options)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._send)
        self._asked.append((words, answer))
        found = await answer
        convert = self.response_callbacks.get(words[0])
        return found if convert is None else convert(found)

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await super().aclose(close_connection_pool)
        if self._exchanges:  # their connections are gone, so they end at once
            await asyncio.wait(self._exchanges)

    def _send(self) -> None:
        asked, self._asked = self._asked, []
        batch = [each for each in asked if not each[1].done()]
        if not batch:
            return
        task = asyncio.create_task(self._exchange(batch))
        self._exchanges.add(task)
        task.add_done_callback(self._exchanges.discard)
        waiting = len(batch)

        def leave(_: asyncio.Future[Any]) -> None:
            nonlocal waiting
            waiting -= 1
            if not waiting:  # all have left, or have their answers and the task is done
                task.cancel()

        for _, answer in batch:
            answer.add_done_callback(leave)

    async def _exchange(self, batch: list[Asked]) -> None:
        sent: list[Asked] = []
        found: list[Any] = []
        failure: Exception | None = None
        try:
            pool: Any = self.connection_pool
            connection = await pool.get_connection()
            try:
                # Connecting may take a while: what nobody waits for any more is not sent.
                sent += [each for each in batch if not each[1].done()]
                await connection.send_packed_command(connection.pack_commands([words for words, _ in sent]))
                while len(found) < len(sent):
                    found.append(await _reply(connection))
            finally:
                await pool.release(connection)
        except Exception as error:  # noqa: BLE001  - raised again where each answer is awaited
            failure = error
        # Nothing is awaited from here on: the last answer cancels this task.
        for place, (_, answer) in enumerate(sent or batch):
            value = found[place] if place < len(found) else failure
            if answer.done():
                continue
            if isinstance(value, Exception):
                answer.set_exception(value)
                answer.exception()  # whoever leaves at this very moment need not be told
            else:
                answer.set_result(value)


async def _reply(connection: Any) -> Any:
    """The next reply; an error of one command is its reply."""
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error
