"""How much of a session's log a generation leaves."""

from __future__ import annotations

import pytest

from .kit import running

QUERY = "写一段口红的开场话术"


@pytest.mark.parametrize(("keep", "left"), [("0", 8), ("5", 5)])
async def test_as_many_records_are_kept_as_was_set_and_0_keeps_all(keep: str, left: int) -> None:
    async with running(workflow_engine="sequential", checkpoint_keep=keep) as kit:
        key = await kit.session()
        for number in range(4):
            await kit.generate(key, QUERY, request_id=f"request-{number}")
        records = await kit.records(key)
        assert len(records) >= left
        if keep != "0":
            assert len(records) == left


async def test_the_conversation_is_not_written_into_every_record() -> None:
    async with running(workflow_engine="sequential") as kit:
        key = await kit.session()
        for number in range(3):
            await kit.generate(key, f"{QUERY}，第{number}次", request_id=f"request-{number}")
        records = await kit.records(key)
        generated = [record for record in records if record.header.status == "RUNNING"]
        assert generated
        assert "第0次" not in generated[-1].state.decode()
