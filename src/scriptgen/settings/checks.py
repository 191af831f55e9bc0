"""Combinations of settings that would break a promise: each is refused at start with one clear line.

Not responsible for single values; their types and limits are declared in `sections`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .effective import Settings
from .kinds import JWT_FAMILIES, is_loopback


def complaints(settings: Settings) -> Iterator[str]:
    """One line for each combination that cannot be served."""
    for rule in (_files, _models, _stores, _jwt, _tls, _connections, _workers, _production):
        yield from rule(settings)


def _files(settings: Settings) -> Iterator[str]:
    for name in (
        "tls_cert_file",
        "tls_key_file",
        "tls_client_ca_file",
        "jwt_public_key_file",
        "jwt_jwks_file",
        "compliance_lexicon_file",
        "compliance_additions_file",
    ):
        path = getattr(settings, name)
        if path and not Path(path).is_file():
            yield f"{name.upper()}: got {path!r}, takes the path of an existing file"


def _models(settings: Settings) -> Iterator[str]:
    if settings.primary_backend == "vllm" and not settings.vllm_base_url:
        yield "LLM_PRIMARY_BACKEND: got 'vllm', takes it only with VLLM_BASE_URL"
    if settings.primary_backend == "ollama" and not settings.ollama_base_url:
        yield "LLM_PRIMARY_BACKEND: got 'ollama', takes it only with OLLAMA_BASE_URL"
    chosen = "llm_fallback_backend" in settings.model_fields_set and settings.llm_fallback_enabled
    if chosen and settings.llm_fallback_backend != "template" and not settings.fallback_base_url:
        yield (
            f"LLM_FALLBACK_BACKEND: got {settings.llm_fallback_backend!r}, takes it only with "
            f"LLM_FALLBACK_BASE_URL or {settings.llm_fallback_backend.upper()}_BASE_URL"
        )
    if settings.intent_clarify_threshold > settings.intent_llm_threshold:
        yield (
            f"INTENT_CLARIFY_THRESHOLD: got {settings.intent_clarify_threshold:g}, "
            f"takes at most INTENT_LLM_THRESHOLD ({settings.intent_llm_threshold:g})"
        )


def _stores(settings: Settings) -> Iterator[str]:
    if settings.session_ttl_seconds and settings.session_store != settings.checkpoint_store:
        yield (
            f"SESSION_TTL_SECONDS: got {settings.session_ttl_seconds} with sessions and checkpoints in "
            "different stores, takes 0 there: a log that expires alone would begin again behind its session"
        )


def _jwt(settings: Settings) -> Iterator[str]:
    secret = settings.jwt_secret.get_secret_value()
    sources = [
        name
        for name, value in (
            ("JWT_SECRET", secret),
            ("JWT_PUBLIC_KEY_FILE", settings.jwt_public_key_file),
            ("JWT_JWKS_FILE", settings.jwt_jwks_file),
            ("JWT_JWKS_URL", settings.jwt_jwks_url),
        )
        if value
    ]
    if len(sources) > 1:
        yield f"{' and '.join(sources)}: got more than one source of keys, takes exactly one"
    if settings.jwt_algorithms and not sources:
        yield "JWT_ALGORITHMS: got a list but no key, takes it with JWT_SECRET or a public key"
    if not sources:
        return
    algorithms = settings.accepted_jwt_algorithms
    families = {family for family, names in JWT_FAMILIES.items() if set(names) & set(algorithms)}
    if len(families) > 1:
        yield (
            f"JWT_ALGORITHMS: got {','.join(algorithms)}, takes algorithms of one key family "
            "(a public key must never verify as a shared secret)"
        )
    if secret and families != {"HS"}:
        yield f"JWT_ALGORITHMS: got {','.join(algorithms)}, takes the HS family with JWT_SECRET"
    if not secret and "HS" in families:
        yield f"JWT_ALGORITHMS: got {','.join(algorithms)}, takes a public-key family with {sources[0]}"
    if secret:
        needed = max(int(name.removeprefix("HS")) // 8 for name in algorithms)
        if len(secret.encode()) < needed:
            yield f"JWT_SECRET: got fewer than {needed} bytes, takes as many as the hash has (RFC 7518, 3.2)"


def _tls(settings: Settings) -> Iterator[str]:
    if bool(settings.tls_cert_file) != bool(settings.tls_key_file):
        missing = "TLS_KEY_FILE" if settings.tls_cert_file else "TLS_CERT_FILE"
        yield f"{missing}: got nothing, takes a file: certificate and key are set together"
    if settings.tls_client_ca_file and not settings.tls_cert_file:
        yield "TLS_CLIENT_CA_FILE: got a file, takes it only with TLS_CERT_FILE and TLS_KEY_FILE"


def _connections(settings: Settings) -> Iterator[str]:
    grace, longest = settings.grpc_max_connection_age_grace_seconds, settings.llm_total_timeout_seconds
    if settings.grpc_max_connection_age_seconds and grace < longest:
        yield (
            f"GRPC_MAX_CONNECTION_AGE_GRACE_SECONDS: got {grace:g}, takes at least LLM_TOTAL_TIMEOUT_SECONDS "
            f"({longest:g}): an aged connection must not cut a generation"
        )


def _workers(settings: Settings) -> Iterator[str]:
    if settings.server_workers == 1:
        return
    for name in ("session_store", "checkpoint_store"):
        if getattr(settings, name) == "memory":
            yield (
                f"{name.upper()}: got 'memory' with SERVER_WORKERS={settings.server_workers}, "
                "takes redis or sqlite: workers must share it"
            )
    if not settings.distributed_lock:
        yield (
            f"SERVER_WORKERS: got {settings.server_workers} with a local session lock, takes more "
            "than 1 only with DISTRIBUTED_LOCK_ENABLED=true and REDIS_URL"
        )
    if settings.grpc_listen.startswith("unix:"):
        yield f"SERVER_WORKERS: got {settings.server_workers} with a unix: address, takes it on TCP only"


def _production(settings: Settings) -> Iterator[str]:
    if not settings.production:
        return
    if not settings.api_keys_file and not settings.jwt_configured:
        yield (
            "APP_ENV: got 'production' without a source of credentials, takes it with API_KEYS_FILE, "
            "JWT_SECRET, JWT_PUBLIC_KEY_FILE, JWT_JWKS_FILE or JWT_JWKS_URL"
        )
    if (
        not settings.tls_cert_file
        and not settings.tls_allow_plaintext
        and not is_loopback(settings.grpc_listen)
    ):
        yield (
            f"GRPC_LISTEN: got {settings.grpc_listen!r} without TLS in production, takes a loopback address, "
            "TLS_CERT_FILE and TLS_KEY_FILE, or TLS_ALLOW_PLAINTEXT=true"
        )
    if settings.jwt_jwks_url and not settings.jwt_jwks_url.startswith("https://"):
        yield f"JWT_JWKS_URL: got {settings.jwt_jwks_url!r}, takes an https:// URL in production"
    if settings.failpoints:
        yield f"FAILPOINTS: got {settings.failpoints!r}, takes nothing in production"
