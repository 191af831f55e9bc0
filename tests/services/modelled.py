"""The whole service in front of one or two model servers, with short timers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scriptgen.v1 import session_pb2

from .live import Live, live

OPENING = "写一段开场话术"
QUICK = {
    "LLM_CONNECT_TIMEOUT_SECONDS": "0.5",
    "LLM_FIRST_TOKEN_TIMEOUT_SECONDS": "0.4",
    "LLM_IDLE_TIMEOUT_SECONDS": "0.4",
    "LLM_TOTAL_TIMEOUT_SECONDS": "3",
    "LLM_RETRY_BUDGET_SECONDS": "0",
    "LLM_MAX_RESPONSE_BYTES": "200000",
    "LLM_BREAKER_FAILURES": "100",
    "STREAM_FLUSH_MS": "0",
}


@asynccontextmanager
async def modelled(primary: str, backup: str = "", **environment: str) -> AsyncIterator[Live]:
    """The service with vLLM at `primary` and Ollama at `backup`; timers are short, nothing is hedged."""
    settings = {**QUICK, "VLLM_BASE_URL": primary, "VLLM_MODEL": "primary-model"}
    if backup:
        settings |= {"LLM_FALLBACK_BASE_URL": backup, "LLM_FALLBACK_MODEL": "backup-model"}
    async with live(**(settings | environment)) as running:
        yield running


async def stored(running: Live, session: str) -> session_pb2.Session:
    return (await running.sessions.GetSession(session_pb2.GetSessionRequest(session_id=session))).session
