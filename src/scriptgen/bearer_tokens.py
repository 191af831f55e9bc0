"""Builds the verifier of bearer tokens (JWT) that the settings ask for."""

from __future__ import annotations

from scriptgen.rpc.auth.jwt_tokens import TokenRules, TokenVerifier
from scriptgen.rpc.auth.key_sources import KeySetFile, KeySetUrl, KeySource, PublicKeyFile, SharedSecret
from scriptgen.settings import Settings, SettingsError


def token_verifier(settings: Settings) -> TokenVerifier:
    """Raises `SettingsError` when the source of keys cannot be read."""
    rules = TokenRules(
        settings.accepted_jwt_algorithms,
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_leeway_seconds,
    )
    return TokenVerifier(rules, _key_source(settings))


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
