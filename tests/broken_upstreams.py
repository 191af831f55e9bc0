"""Every way a model server can break, each with the failure it must be named as."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scriptgen.llm import errors
from tests.upstream import (
    SCRIPT,
    Behaviour,
    chunk,
    cuts,
    drips,
    ending,
    endless,
    event,
    fails,
    hangs,
    says,
    writes,
)

#: What is said before it breaks: enough to pass the guard's look-ahead.
HALF = SCRIPT[: len(SCRIPT) // 2]


@dataclass(frozen=True)
class Broken:
    """`shown`: text reaches the reader before the failure; `timer` names the one that must run out first."""

    name: str
    behaviour: Callable[[], Behaviour]
    error: type[errors.LLMCallError]
    shown: bool = False
    timer: str = ""


def _half_then(rest: bytes) -> Behaviour:
    return writes(chunk(HALF), rest, pace=0.01)


def _web_page() -> Behaviour:
    return writes(b"<html>maintenance</html>", content_type="text/html")


def _error_as_answer() -> Behaviour:
    return writes(b'{"error": {"message": "overloaded"}}', content_type="application/json")


#: Before a word is said.
REFUSED = (
    Broken("401", lambda: fails(401, "no such key"), errors.AuthFailedError),
    Broken("404", lambda: fails(404, "The model `fake` does not exist."), errors.WrongModelError),
    Broken("429", lambda: fails(429, headers={"Retry-After": "7"}), errors.RateLimitedError),
    Broken("500", lambda: fails(500), errors.UpstreamStatusError),
    Broken("400", lambda: fails(400, "context too long"), errors.UpstreamStatusError),
    Broken("redirect", lambda: fails(302, headers={"Location": "/"}), errors.UpstreamStatusError),
    Broken("a web page", _web_page, errors.MalformedStreamError),
    Broken("an error object with status 200", _error_as_answer, errors.UpstreamReportedError),
)
SILENT = (
    Broken("hang before headers", hangs, errors.FirstTokenTimeoutError, timer="first_token"),
    Broken("hang after headers", lambda: hangs(""), errors.FirstTokenTimeoutError, timer="first_token"),
    Broken(
        "drip before the first text",
        lambda: drips(chunk("姐妹们" * 50), 0.01),
        errors.FirstTokenTimeoutError,
        timer="first_token",
    ),
    Broken(
        "keep-alive comments only",
        lambda: writes(*[b": still here\n\n"] * 100, pace=0.02),
        errors.FirstTokenTimeoutError,
        timer="first_token",
    ),
    Broken("empty output", lambda: writes(ending()), errors.EmptyOutputError),
    Broken("nothing at all", lambda: writes(b""), errors.TruncatedStreamError),
    Broken("garbage JSON", lambda: writes(b"data: {oops\n\n"), errors.MalformedStreamError),
    Broken("cut in an event", lambda: cuts(chunk("姐妹们")[:30]), errors.TruncatedStreamError),
    Broken(
        "not UTF-8", lambda: writes(chunk("好").replace("好".encode(), b"\xff")), errors.MalformedStreamError
    ),
    Broken("a huge event", lambda: writes(b"data: " + b" " * 300_000), errors.ResponseTooLargeError),
)
MID_STREAM = (
    Broken("hang mid-stream", lambda: hangs(HALF), errors.IdleTimeoutError, shown=True, timer="idle"),
    Broken(
        "drip mid-stream",
        lambda: writes(chunk(HALF), *(bytes([b]) for b in chunk("好" * 99)), pace=0.01),
        errors.IdleTimeoutError,
        shown=True,
        timer="idle",
    ),
    Broken("cut mid-stream", lambda: cuts(chunk(HALF)), errors.TruncatedStreamError, shown=True),
    Broken("EOF without finish_reason", lambda: writes(chunk(HALF)), errors.TruncatedStreamError, shown=True),
    Broken(
        "EOF in a character",
        lambda: _half_then(chunk("好")[:-12]),
        errors.TruncatedStreamError,
        shown=True,
    ),
    Broken(
        "[DONE] without finish_reason",
        lambda: _half_then(b"data: [DONE]\n\n"),
        errors.TruncatedStreamError,
        shown=True,
    ),
    Broken(
        "garbage mid-stream",
        lambda: _half_then(b'data: {"choices": 7}\n\n'),
        errors.MalformedStreamError,
        shown=True,
    ),
    Broken(
        "an error object in the stream",
        lambda: _half_then(event({"error": {"message": "CUDA out of memory"}})),
        errors.UpstreamReportedError,
        shown=True,
    ),
    Broken("endless output", endless, errors.ResponseTooLargeError, shown=True),
)
#: These are told by a strict backend, or only by its own timers.
STRICT = (
    Broken(
        "slow but steady beyond the total",
        lambda: says("好" * 60, pace=0.05),
        errors.TotalTimeoutError,
        shown=True,
        timer="total",
    ),
    Broken("only white space", lambda: says("  \n"), errors.EmptyOutputError, shown=True),
    Broken(
        "filtered",
        lambda: says(finish="content_filter", pace=0.002),
        errors.ContentFilteredError,
        shown=True,
    ),
    Broken("wrong model", lambda: says(model="other"), errors.WrongModelError),
)
