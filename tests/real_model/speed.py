"""How fast the model is just now, so that a bound holds on a busy machine and still says something."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from scriptgen.llm.protocol import ChatMessage, CompletionRequest, LanguageModel, LLMBackend

_SAMPLE = 16


async def freed_within(model: LLMBackend | LanguageModel, tokens: int) -> float:
    """Seconds after which a model that was left must be free: a quarter of what it would take to go on to
    `tokens`. It notices that it was left between batches, so a long prompt delays it.
    """
    start = asyncio.get_running_loop().time()
    question = ChatMessage("user", "Write a long story about a lipstick shop.")
    request = CompletionRequest((question,), temperature=0.0, max_tokens=_SAMPLE)
    async with aclosing(model.stream(request)) as events:
        async for _ in events:
            pass
    return (asyncio.get_running_loop().time() - start) * tokens / _SAMPLE / 4
