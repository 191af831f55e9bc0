"""Wires the edge: who may call, what every call passes, and the servicers behind it.

Not responsible for ports or for when the server runs; see `server`.
"""

from __future__ import annotations

from scriptgen.app import App
from scriptgen.domain.generation import GenerationRequest
from scriptgen.metrics import RpcMetrics
from scriptgen.rpc import convert
from scriptgen.rpc.auth.api_keys import ApiKeys
from scriptgen.rpc.auth.authenticator import Authenticator
from scriptgen.rpc.auth.jwt_tokens import TokenRules, TokenVerifier
from scriptgen.rpc.auth.key_sources import KeySetFile, KeySetUrl, KeySource, PublicKeyFile, SharedSecret
from scriptgen.rpc.interceptors.auth import AuthInterceptor
from scriptgen.rpc.interceptors.call import Call
from scriptgen.rpc.interceptors.chain import ChainInterceptor, Interceptor
from scriptgen.rpc.interceptors.errors import ErrorsInterceptor
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
        return convert.generation_request(
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
            unary_message=convert.generate_response,
            stream_message=convert.stream_response,
        ),
        QuotaInterceptor(app.limiter, app.tenant_limits, app.estimate),
        InflightInterceptor(app.admission),
        SessionLockInterceptor(app.lock, settings.session_lock_timeout_seconds),
    ]
    return ChainInterceptor(links)


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
        rules = TokenRules(
            settings.accepted_jwt_algorithms,
            settings.jwt_issuer,
            settings.jwt_audience,
            settings.jwt_leeway_seconds,
        )
        tokens = TokenVerifier(rules, _key_source(settings))
    return Authenticator(anonymous_allowed=not settings.production, api_keys=keys, tokens=tokens)


def _key_source(settings: Settings) -> KeySource:
    try:
        if settings.jwt_public_key_file:
            return PublicKeyFile(settings.jwt_public_key_file)
        if settings.jwt_jwks_file:
            return KeySetFile(settings.jwt_jwks_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"JWT_PUBLIC_KEY_FILE or JWT_JWKS_FILE: {error}") from None
    if settings.jwt_jwks_url:
        return KeySetUrl(settings.jwt_jwks_url)
    return SharedSecret(settings.jwt_secret.get_secret_value())
