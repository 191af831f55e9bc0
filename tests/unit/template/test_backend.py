"""The template writer as a backend: the event order, the pieces, the refusal."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import replace

from scriptgen.domain.component import ComponentState
from scriptgen.domain.writing import TaskKind
from scriptgen.llm.errors import UnsupportedRequestError
from scriptgen.llm.protocol import (
    BackendChosen,
    ChatMessage,
    Completed,
    CompletionEvent,
    CompletionRequest,
    TextDelta,
)
from scriptgen.llm.template.backend import MODEL, TemplateBackend, write
from scriptgen.llm.template.composer import compose

from .conftest import make_task


async def events_of(backend: TemplateBackend, request: CompletionRequest) -> list[CompletionEvent]:
    return [event async for event in backend.stream(request)]


async def test_a_task_streams_in_clauses_that_add_up_to_the_script() -> None:
    task = make_task()
    request = CompletionRequest(messages=(ChatMessage("user", "写一段口红的产品介绍"),), task=task)
    events = await events_of(TemplateBackend(), request)
    assert events[0] == BackendChosen("template", MODEL)
    pieces = [e.text for e in events[1:-1] if isinstance(e, TextDelta)]
    assert len(pieces) == len(events) - 2 >= 8
    assert all(pieces)
    assert "".join(pieces) == compose(task)
    end = events[-1]
    assert isinstance(end, Completed)
    assert (end.finish_reason, end.backend, end.model) == ("stop", "template", MODEL)
    assert end.usage.estimated
    assert 0.5 * len(compose(task)) < end.usage.completion_tokens < 0.8 * len(compose(task))
    assert end.usage.prompt_tokens > 0


async def test_a_request_without_a_task_is_refused() -> None:
    with pytest.raises(UnsupportedRequestError):
        await events_of(TemplateBackend(), CompletionRequest(messages=(ChatMessage("user", "在吗"),)))


async def test_the_pace_is_kept_between_pieces() -> None:
    task = make_task(target_characters=60)
    began = time.perf_counter()
    events = await events_of(TemplateBackend(pace=0.01), CompletionRequest(messages=(), task=task))
    assert time.perf_counter() - began >= 0.01 * (len(events) - 3)


async def test_closing_the_stream_early_leaves_nothing_behind() -> None:
    backend = TemplateBackend(pace=60)
    stream = backend.stream(CompletionRequest(messages=(), task=make_task()))
    assert isinstance(await anext(stream), BackendChosen)
    assert isinstance(await anext(stream), TextDelta)
    await stream.aclose()
    await backend.close()


async def test_the_backend_is_always_ok() -> None:
    status = await TemplateBackend("embedded").status()
    assert (status.state, status.backend) == (ComponentState.OK, "embedded")


def test_every_kind_of_task_is_answered() -> None:
    source = compose(make_task())
    changed = {
        kind: write(replace(make_task(), kind=kind, instruction="更激情一点，换个开头", source_text=source))
        for kind in TaskKind
    }
    assert all(outcome.text and outcome.text != source for outcome in changed.values())


def test_a_fixed_text_is_given_as_it_is() -> None:
    assert write(make_task(fixed_text="就这一句。")).text == "就这一句。"


async def test_what_could_not_be_done_is_told_at_the_end_of_the_stream() -> None:
    source = compose(make_task())
    task = replace(make_task(), kind=TaskKind.TRANSLATE, instruction="翻成英文", source_text=source)
    events = [event async for event in TemplateBackend().stream(CompletionRequest(messages=(), task=task))]
    assert isinstance(events[-1], Completed)
    assert events[-1].warnings == ("没有接入模型，翻不了英文，这一版保留原文。",)
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == source


async def test_what_was_done_gives_no_warning() -> None:
    request = CompletionRequest(messages=(), task=make_task())
    events = [event async for event in TemplateBackend().stream(request)]
    assert isinstance(events[-1], Completed)
    assert events[-1].warnings == ()
