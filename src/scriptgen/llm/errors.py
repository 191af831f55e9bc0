"""Why one call to one backend failed. The router answers these; none of them reaches a caller of the service.

    LLMCallError
    ├── ConnectFailedError          connect_failed      refused, unreachable, or gone before it answered
    ├── PoolFullError               pool_full           all of our own connections are in use
    ├── UpstreamStatusError         status_<code>       an HTTP status that is not 200
    │   ├── AuthFailedError         auth_failed         401, 403
    │   ├── WrongModelError         wrong_model         404, or another model answered than was asked for
    │   └── RateLimitedError        rate_limited        429
    ├── FirstTokenTimeoutError      first_token_timeout
    ├── IdleTimeoutError            idle_timeout
    ├── TotalTimeoutError           total_timeout
    ├── CallDeadlineError           deadline            the caller's own time was over, not the backend's
    ├── TruncatedStreamError        truncated           ended without a finish_reason
    ├── MalformedStreamError        malformed           not an event stream, or broken JSON in it
    ├── UpstreamReportedError       upstream_error      an error object inside the stream
    ├── EmptyOutputError            empty_output        finished without any text
    ├── ContentFilteredError        content_filtered    stopped by the upstream's filter or another odd reason
    ├── ResponseTooLargeError       too_large
    └── UnsupportedRequestError     unsupported         this backend cannot serve such a request at all

`retryable`: the same backend may well answer the same request a moment later. `backend_fault`: the failure
says something about the backend's health, so its breaker counts it; a bad request (400, 413, 422), the
caller's deadline, an empty or filtered answer say something about the request only.
Below the tree: what the router raises when nothing is left to try (`AllBackendsFailedError`), or nobody to
try it for (`OutOfTimeError`).
"""

from __future__ import annotations

from scriptgen.domain.errors import DeadlineExceededError, LLMUnavailableError
from scriptgen.domain.generation import Usage

_RETRYABLE_STATUS = frozenset({408, 425, 500, 502, 503, 504})


class LLMCallError(Exception):
    """`usage` is what the failed call cost, zero when it produced nothing. `retry_after` is in seconds."""

    outcome: str = "failed"
    retryable: bool = False
    backend_fault: bool = True

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message or self.outcome)
        self.retry_after = retry_after
        self.usage = Usage()


class ConnectFailedError(LLMCallError):
    outcome = "connect_failed"
    retryable = True


class PoolFullError(LLMCallError):
    outcome = "pool_full"
    backend_fault = False


class UpstreamStatusError(LLMCallError):
    """Any status but 200. 5xx, 408 and 425 are the backend's fault; other 4xx are the request's."""

    def __init__(self, status: int, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(message or f"HTTP status {status}", retry_after=retry_after)
        self.status = status
        if type(self) is UpstreamStatusError:
            self.outcome = f"status_{status}"
        self.retryable = status in _RETRYABLE_STATUS
        self.backend_fault = status >= 500 or status in {401, 403, 404, 408, 425, 429}


class AuthFailedError(UpstreamStatusError):
    outcome = "auth_failed"


class WrongModelError(UpstreamStatusError):
    outcome = "wrong_model"

    def __init__(self, message: str = "", *, status: int = 404) -> None:
        super().__init__(status, message)
        self.backend_fault = True


class RateLimitedError(UpstreamStatusError):
    outcome = "rate_limited"

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(429, message, retry_after=retry_after)
        self.retryable = True


class FirstTokenTimeoutError(LLMCallError):
    outcome = "first_token_timeout"


class IdleTimeoutError(LLMCallError):
    outcome = "idle_timeout"


class TotalTimeoutError(LLMCallError):
    outcome = "total_timeout"


class CallDeadlineError(LLMCallError):
    outcome = "deadline"
    backend_fault = False


class TruncatedStreamError(LLMCallError):
    outcome = "truncated"
    retryable = True


class MalformedStreamError(LLMCallError):
    outcome = "malformed"
    retryable = True


class UpstreamReportedError(LLMCallError):
    outcome = "upstream_error"
    retryable = True


class EmptyOutputError(LLMCallError):
    outcome = "empty_output"
    retryable = True
    backend_fault = False


class ContentFilteredError(LLMCallError):
    outcome = "content_filtered"
    backend_fault = False


class ResponseTooLargeError(LLMCallError):
    outcome = "too_large"
    backend_fault = False


class UnsupportedRequestError(LLMCallError):
    outcome = "unsupported"
    backend_fault = False


class AllBackendsFailedError(LLMUnavailableError):
    """Every backend failed or was skipped. `usage` is what the failed calls cost in all."""

    def __init__(self, *, retry_after: float, usage: Usage, attempts: int, outcomes: str) -> None:
        """`outcomes` lists `backend:outcome` pairs in the order they happened, for logs and details."""
        super().__init__(
            "No language model backend could answer.",
            retry_after=retry_after,
            metadata={"attempts": str(attempts), "outcomes": outcomes},
        )
        self.usage = usage
        self.attempts = attempts


class OutOfTimeError(DeadlineExceededError):
    """The caller's deadline passed inside a call. `usage` is what all calls of the request cost."""

    def __init__(self, *, usage: Usage, attempts: int, outcomes: str) -> None:
        super().__init__(
            "The deadline passed before a language model had finished.",
            metadata={"attempts": str(attempts), "outcomes": outcomes},
        )
        self.usage = usage
        self.attempts = attempts
