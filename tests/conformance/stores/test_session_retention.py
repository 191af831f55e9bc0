"""What a long session loses: its oldest turns with their scripts, never its head."""

from __future__ import annotations

from scriptgen.stores.retention import Retention

from .backends import Factory
from .samples import KEY, head, new_session, next_write, script, turn


async def test_the_oldest_turns_go_with_their_scripts(factory: Factory) -> None:
    async with factory(Retention(max_turns=3)) as backend:
        await backend.sessions.create(new_session())
        current = head()
        for index in range(7):
            write = next_write(current, turns=(index,))
            await backend.sessions.save(write)
            current = write.head
        session = await backend.other.sessions.load(KEY)
        assert session is not None
        assert session.head == current
        assert session.turns == (turn(4), turn(5), turn(6))
        assert session.scripts == (script(4), script(5), script(6))


async def test_a_session_created_too_long_keeps_its_newest_turns(factory: Factory) -> None:
    async with factory(Retention(max_turns=3)) as backend:
        await backend.sessions.create(new_session(turns=8))
        session = await backend.sessions.load(KEY)
        assert session is not None
        assert [each.turn_index for each in session.turns] == [5, 6, 7]
        assert [each.turn_index for each in session.scripts] == [5, 6, 7]
