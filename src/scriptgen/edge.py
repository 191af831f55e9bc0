"""Wires the edge: who may call, what every call passes, and the servicers behind it.

Not responsible for ports or for when the server runs; see `server`.
"""

from __future__ import annotations

from scriptgen.app import App
from scriptgen.domain.generation import GenerationRequest
from scriptgen.metrics import RpcMetrics
from scriptgen.rpc import incoming, outgoing
from scriptgen.rpc.auth.api_keys import ApiKeys
from scriptgen.rpc.auth.authenticator import Authenticator
from scriptgen.rpc.interceptors.auth import AuthInterceptor
from scriptgen.rpc.interceptors.call import Call
from scriptgen.rpc.interceptors.chain import ChainInterceptor, Interceptor
from scriptgen.rpc.interceptors.errors import ErrorsInterceptor
from scriptgen.rpc.interceptors.head_start import HeadStartInterceptor
from scriptgen.rpc.interceptors.inflight import InflightInterceptor
from scriptgen.rpc.interceptors.observability import ObservabilityInterceptor
from scriptgen.rpc.interceptors.quota import QuotaInterceptor
from scriptgen.rpc.interceptors.replay import ReplayInterceptor
from scriptgen.rpc.interceptors.request_context import RequestContextInterceptor
from scriptgen.rpc.interceptors.session_lock import SessionLockInterceptor
from scriptgen.rpc.interceptors.validation import ValidationInterceptor
from scriptgen.settings import Settings, SettingsError


def interceptors(app: App, metrics: RpcMetrics) -> ChainInterceptor:
    """The documented chain, verified when it is built."""
    settings = app.settings

    def generation_request(call: Call) -> GenerationRequest:
        return incoming.generation_request(
            call.request,
            call.principal,
            trace_id=call.trace_id,
            trace_id_given=call.trace_id_given,
            deduplicate=settings.request_dedup_enabled,
        )

    links: list[Interceptor] = [
        ObservabilityInterceptor(metrics),
        ErrorsInterceptor(),
        RequestContextInterceptor(),
        AuthInterceptor(authenticator(settings)),
        ValidationInterceptor(generation_request),
        ReplayInterceptor(
            app.orchestrator,
            unary_message=outgoing.generate_response,
            stream_message=outgoing.stream_response,
        ),
        HeadStartInterceptor(app.eager_lock, app.sessions.open_for),
        QuotaInterceptor(app.limiter, app.tenant_limits, app.estimate),
        InflightInterceptor(app.admission),
        SessionLockInterceptor(app.lock, settings.session_lock_timeout_seconds),
    ]
    return ChainInterceptor(links, reader_seconds=settings.stream_reader_seconds)


def authenticator(settings: Settings) -> Authenticator:
    """Raises `SettingsError` when a source of credentials cannot be read."""
    keys = tokens = None
    try:
        if settings.api_keys_file:
            pepper = settings.api_key_pepper.get_secret_value()
            keys = ApiKeys(settings.api_keys_file, pepper=pepper)
    except (OSError, ValueError) as error:
        raise SettingsError(f"API_KEYS_FILE: {error}") from None
    if settings.jwt_configured:
        from scriptgen.bearer_tokens import token_verifier  # noqa: PLC0415  - its libraries take 9 MB

        tokens = token_verifier(settings)
    return Authenticator(anonymous_allowed=not settings.production, api_keys=keys, tokens=tokens)
