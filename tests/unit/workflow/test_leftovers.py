"""What an ended generation leaves behind: what the stores keep, and nothing for the garbage collector."""

from __future__ import annotations

import gc

import pytest

from scriptgen.workflow.generation import Generation

from .kit import Kit


@pytest.mark.parametrize("streamed", [False, True])
async def test_an_ended_generation_is_freed_without_the_collector(kit: Kit, streamed: bool) -> None:
    key = await kit.session()
    gc.disable()
    try:
        if streamed:
            await kit.stream(key, "写一段开场话术")
        else:
            await kit.generate(key, "写一段开场话术")
        await kit.settled()
        assert not [one for one in gc.get_objects() if type(one) is Generation]
    finally:
        gc.enable()
