"""A whole application without a network: real agents, skills and stores, either runner, the template writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from scriptgen.app import App
from scriptgen.domain.checkpoint import CheckpointRecord
from scriptgen.domain.generation import (
    GenerationParameters,
    GenerationRequest,
    GenerationResult,
    ScriptDelta,
    ScriptReset,
    SequencedEvent,
)
from scriptgen.domain.identity import Principal
from scriptgen.domain.observer import Observer
from scriptgen.domain.session import Influencer, Product, SessionKey
from scriptgen.settings import Settings, load_settings
from scriptgen.workflow.grant import Grant

TENANT = Principal(tenant_id="tenant_test")
LIPSTICK = Product(name="桃桃唇釉", price="59.9元", selling_points=("显白", "不沾杯"))


@dataclass(slots=True)
class Kit:
    app: App

    async def session(
        self,
        *,
        principal: Principal = TENANT,
        category: str = "美妆",
        product: Product = LIPSTICK,
        request_id: str = "",
    ) -> SessionKey:
        created = await self.app.sessions.create(
            principal,
            influencer=Influencer(name="林小满"),
            category=category,
            product=product,
            request_id=request_id,
        )
        return created.head.key

    async def generate(self, key: SessionKey, query: str, **options: Any) -> GenerationResult:
        return await self.app.orchestrator.handle_request(
            request(key, query, **options), TENANT, Grant(), deadline=None
        )

    async def stream(
        self, key: SessionKey, query: str, *, resume_after: int = 0, **options: Any
    ) -> list[SequencedEvent]:
        events = self.app.orchestrator.handle_stream(
            request(key, query, **options), TENANT, Grant(), resume_after=resume_after, deadline=None
        )
        return [event async for event in events]

    async def records(self, key: SessionKey) -> list[CheckpointRecord]:
        return [record async for record in self.app.stores.checkpoints.walk(key)]

    async def settled(self) -> None:
        """Until no generation holds anything any more."""
        while self.app.orchestrator.running:
            await asyncio.sleep(0)


def request(key: SessionKey, query: str, *, request_id: str = "", **options: Any) -> GenerationRequest:
    return GenerationRequest(
        key=key,
        user_id="",
        query=query,
        request_id=request_id or f"req-{query}-{key.session_id}",
        trace_id="trace-test",
        parameters=options.pop("parameters", GenerationParameters()),
        explicit_id=bool(request_id),
        deduplicate=bool(request_id),
        **options,
    )


def settings(**values: Any) -> Settings:
    environment = {"METRICS_LISTEN": "", "GRPC_LISTEN": "127.0.0.1:0", "STREAM_FLUSH_MS": "0"}
    return load_settings({**environment, **{name.upper(): str(value) for name, value in values.items()}})


@asynccontextmanager
async def running(observer: Observer | None = None, **values: Any) -> AsyncIterator[Kit]:
    app = await App.build(settings(**values), observer or Observer())
    await app.start()
    try:
        yield Kit(app)
    finally:
        await app.close(5.0)


def shown_texts(events: list[SequencedEvent]) -> dict[int, str]:
    """What a reader of the stream has on the screen at its end."""
    texts: dict[int, str] = {}
    for event in events:
        match event.event:
            case ScriptDelta(script_index=index, text=text):
                texts[index] = texts.get(index, "") + text
            case ScriptReset(script_index=index):
                texts.pop(index, None)
            case _:
                pass
    return texts


def without_time(value: object) -> Any:
    """The value as plain data, without clocks and what depends on them."""
    volatile = {
        "stage_seconds",
        "create_time",
        "update_time",
        "upstream_seconds",
        "checksum",
        "prev_checksum",
    }

    def strip(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: strip(item) for name, item in node.items() if name not in volatile}
        if isinstance(node, list | tuple):
            return [strip(item) for item in node]
        return node

    return strip(msgspec.to_builtins(value))
