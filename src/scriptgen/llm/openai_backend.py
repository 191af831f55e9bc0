"""One OpenAI-compatible upstream (vLLM, Ollama, llama.cpp server), always called as a stream, because
only a closed stream stops the model. It times every phase and names each failure; retrying is the router's.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import aiohttp
import msgspec
from yarl import URL

from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.generation import Usage

from .beat import Beat
from .errors import (
    AuthFailedError,
    ConnectFailedError,
    FirstTokenTimeoutError,
    IdleTimeoutError,
    LLMCallError,
    MalformedStreamError,
    PoolFullError,
    RateLimitedError,
    UpstreamReportedError,
    UpstreamStatusError,
    WrongModelError,
)
from .estimate import estimate_tokens
from .protocol import BackendChosen, Completed, CompletionEvent, CompletionRequest, TextDelta
from .timed_response import CallClock, TimedResponse, Timers

#: Shorter than the 5 s after which uvicorn closes an idle connection, so we never write to a closing one.
_KEEPALIVE_SECONDS: Final = 4.0
#: Failures to get a connection at all, as against one that broke.
_NO_CONNECTION: Final = (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError)
_ERROR_BODY_BYTES: Final = 4096
_ERROR_BODY_SECONDS: Final = 0.05


class OpenAIBackend:
    """A chat completions endpoint. One per upstream, shared by all requests; close it when done."""

    def __init__(
        self,
        name: str,
        base_url: str,
        model: str,
        *,
        api_key: str = "",
        models_by_category: Mapping[str, str] | None = None,
        timers: Timers | None = None,
        beat: Beat | None = None,
        max_response_bytes: int = 4 * 1024 * 1024,
        pool_size: int = 100,
        continuous_usage: bool = False,
        verify_model: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`base_url` is with or without its `/v1`. `models_by_category` maps a category to a model or LoRA
        adapter. `continuous_usage` asks vLLM to count with every chunk, so that a cut call has exact usage.
        `verify_model` fails a call that another model answers than was asked (llama.cpp's server answers
        with a file name whatever is asked, so this is off by default). `tls` replaces the default trust.
        Streams that nobody waits for are read on the `beat`, which backends share.
        """
        self.name = name
        self._url = URL(_completions_url(base_url))
        self._model = model
        self._models = dict(models_by_category or {})
        self._timers = timers or Timers()
        self._beat = beat or Beat(0)
        self._max_response_bytes = max_response_bytes
        self._pool_size = pool_size
        self._pool = asyncio.Semaphore(pool_size)
        self._verify_model = verify_model
        self._tls = tls
        self._stream_options = {"include_usage": True}
        if continuous_usage:
            self._stream_options["continuous_usage_stats"] = True
        # Compression would hold text back in the compressor.
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream",
            "Accept-Encoding": "identity",
        }
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._session: aiohttp.ClientSession | None = None
        self._last_outcome = ""
        self._answered_at = -math.inf

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionEvent, None]:
        """BackendChosen at the response's head, TextDelta for each read with text, Completed at its end.

        Raises an LLMCallError otherwise. Closing or cancelling closes the connection before it returns.
        """
        clock = CallClock(self._timers, request.deadline)
        model = self._models.get(request.category, self._model)
        answer: TimedResponse | None = None
        acquired = False
        outcome = "cancelled"
        try:
            if self._pool.locked():
                await clock.within(self._pool.acquire(), clock.connect, PoolFullError)
            else:
                await self._pool.acquire()  # does not wait, and a timer would cost more than all else here
            acquired = True
            response = await clock.within(
                self._post(model, request), clock.first_token, FirstTokenTimeoutError
            )
            expected = model if self._verify_model else ""
            answer = TimedResponse(
                response,
                clock,
                max_bytes=self._max_response_bytes,
                expected_model=expected,
                beat=self._beat,
                shown_at=request.shown_at,
            )
            if response.status != 200 or not _is_event_stream(response):
                await _refuse(response, clock)
            yield BackendChosen(self.name, model)
            while text := await answer.next_text():
                yield TextDelta(text)
            outcome = "ok"
            self._answered_at = clock.now()
            usage = answer.usage or _estimated(request, answer.written)
            seconds = clock.now() - clock.started
            yield Completed(answer.finish_reason, usage, self.name, model, upstream_seconds=seconds)
        except LLMCallError as error:
            outcome = error.outcome
            if answer is not None and answer.written:
                error.usage = answer.usage or _estimated(request, answer.written)
            raise
        finally:
            if outcome != "cancelled":
                self._last_outcome = outcome
            if answer is not None:
                answer.close()
            if acquired:
                self._pool.release()

    async def status(self) -> ComponentStatus:
        """As the last call found it; asks nothing of the upstream."""
        state = ComponentState.OK if self._last_outcome in {"", "ok"} else ComponentState.DEGRADED
        details = {"model": self._model}
        if self._last_outcome:
            details["last_outcome"] = self._last_outcome
        return ComponentStatus(self.name, state, self.name, details)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        """Made at the first call, because aiohttp binds it to the running loop."""
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=0,  # `_pool` is the limit: it fails with its own name
                keepalive_timeout=_KEEPALIVE_SECONDS,
                ssl=self._tls or True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timers.connect),
                headers=self._headers,
                trust_env=False,
            )
        return self._session

    async def _post(self, model: str, request: CompletionRequest) -> aiohttp.ClientResponse:
        body = self._body(model, request)
        try:
            try:
                return await self._send(body)
            except (aiohttp.ClientConnectionError, ConnectionError) as error:
                if isinstance(error, _NO_CONNECTION) or not self._may_have_kept:
                    raise
            # A kept connection that the upstream had closed meanwhile says nothing about the upstream:
            # llama.cpp's server closes each one after its answer, in spite of its Keep-Alive header.
            return await self._send(body)
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectFailedError(type(error).__name__) from None

    async def _send(self, body: bytes) -> aiohttp.ClientResponse:
        return await self._client().post(self._url, data=body, allow_redirects=False)

    @property
    def _may_have_kept(self) -> bool:
        """Whether a connection of an earlier call may still be in the pool."""
        return asyncio.get_running_loop().time() - self._answered_at <= _KEEPALIVE_SECONDS

    def _body(self, model: str, request: CompletionRequest) -> bytes:
        body: dict[str, Any] = {
            "model": model,
            "messages": request.messages,
            "stream": True,
            "stream_options": self._stream_options,
        }
        for key in ("temperature", "top_p", "max_tokens"):
            value = getattr(request, key)
            if value is not None:
                body[key] = value
        if request.json_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": request.json_schema, "strict": True},
            }
        return msgspec.json.encode(body)


def _completions_url(base_url: str) -> str:
    """`http://host:port` means its `/v1`; a path that is given is kept."""
    base = base_url.rstrip("/")
    if base.count("/") == 2:
        base += "/v1"
    return base + "/chat/completions"


def _is_event_stream(response: aiohttp.ClientResponse) -> bool:
    """Not every server names it so: what is surely something else is refused."""
    kind = response.headers.get("Content-Type", "").lower()
    return not kind.startswith(("application/json", "text/html"))


async def _refuse(response: aiohttp.ClientResponse, clock: CallClock) -> None:
    """Raise the error of a status that is not 200, or of a body that is no event stream."""
    message = _error_message(await _read_error(response, clock))
    status = response.status
    if status == 200:
        if message:
            raise UpstreamReportedError(message)
        raise MalformedStreamError(f"not an event stream: {response.content_type}")
    retry_after = _seconds(response.headers.get("Retry-After"))
    if status in {401, 403}:
        raise AuthFailedError(status, message)
    if status == 404:
        raise WrongModelError(message)
    if status == 429:
        raise RateLimitedError(message, retry_after=retry_after)
    raise UpstreamStatusError(status, message, retry_after=retry_after)


async def _read_error(response: aiohttp.ClientResponse, clock: CallClock) -> bytes:
    """The first bytes of an error's body; an upstream that sends none does not hold the error back."""
    try:
        return await clock.within(
            response.content.read(_ERROR_BODY_BYTES), clock.now() + _ERROR_BODY_SECONDS, IdleTimeoutError
        )
    except (IdleTimeoutError, aiohttp.ClientError):
        return b""


def _error_message(body: bytes) -> str:
    """The message of an OpenAI or vLLM error object, "" when the body is none."""
    try:
        error = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if isinstance(error, dict):
        inner = error.get("error", error)
        message = inner.get("message") if isinstance(inner, dict) else inner
        if isinstance(message, str):
            return message
    return ""


def _seconds(retry_after: str | None) -> float | None:
    """Retry-After in its seconds form (RFC 9110, 10.2.3); a date is not worth a clock comparison here."""
    try:
        seconds = float(retry_after or "")
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _estimated(request: CompletionRequest, text: str) -> Usage:
    prompt = sum(estimate_tokens(message.content) for message in request.messages)
    return Usage(prompt, estimate_tokens(text), estimated=True)
