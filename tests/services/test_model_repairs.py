"""A forbidden word that can be exchanged does not cost the whole text, and the operator is told."""

from __future__ import annotations

from scriptgen.v1 import generate_pb2 as pb
from scriptgen.v1 import types_pb2
from tests.upstream import SCRIPT, FakeUpstream, says

from .modelled import OPENING, modelled, stored

BOASTING = SCRIPT + "我敢说，这就是国家级的好口红，大家可以放心看看。"


async def test_a_repaired_word_is_named_in_the_warnings() -> None:
    async with FakeUpstream(says(BOASTING)) as upstream, modelled(upstream.url) as running:
        session = await running.session()
        call = running.generation.GenerateStream(pb.GenerateStreamRequest(session_id=session, query=OPENING))
        events = [event async for event in call]
        result = events[-1].result
        script = result.scripts[0]
        assert result.status == types_pb2.GENERATION_STATUS_COMPLETED
        assert "".join(event.delta.text for event in events if event.HasField("delta")) == script.content
        assert "国家级" not in script.content
        assert [warning for warning in result.warnings if "国家级" in warning]
        assert len(upstream.calls) == 1, "nothing was written anew"
        assert (await stored(running, session)).scripts[0].content == script.content


async def test_a_text_without_such_words_has_no_warnings() -> None:
    async with FakeUpstream(says(SCRIPT)) as upstream, modelled(upstream.url) as running:
        result = await running.generate(await running.session(), OPENING)
        assert not result.warnings
