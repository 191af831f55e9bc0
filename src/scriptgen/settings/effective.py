"""The settings as the service uses them: every value, and what follows from several of them together."""

from __future__ import annotations

from typing import Literal

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from .reference import shown
from .sections import (
    SECTIONS,
    CoordinationSection,
    ModelSection,
    SecuritySection,
    ServerSection,
    StoreSection,
    WritingSection,
)


class Settings(
    WritingSection,
    ModelSection,
    CoordinationSection,
    StoreSection,
    SecuritySection,
    ServerSection,
    BaseSettings,
):
    """All settings, frozen. Made by `load_settings`; tests may construct it with keyword arguments, which
    checks each value but not their combination (`load_settings` does both).
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (pydantic-settings passes all by name)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is passed in: `load_settings` is the one place that looks at the environment."""
        return (init_settings,)

    @property
    def production(self) -> bool:
        return self.app_env == "production"

    @property
    def reflection(self) -> bool:
        """GRPC_REFLECTION_ENABLED, else by APP_ENV."""
        if self.grpc_reflection_enabled is None:
            return not self.production
        return self.grpc_reflection_enabled

    @property
    def redis_wanted(self) -> bool:
        """Whether anything shall talk to Redis: its URL was given or a Redis backend was chosen."""
        limiter = self.core_rate_limit_enabled and self.core_rate_limit_backend == "redis"
        return (
            "redis_url" in self.model_fields_set
            or limiter
            or "redis" in {self.session_store, self.checkpoint_store}
        )

    @property
    def distributed_lock(self) -> bool:
        """Whether the session lock lives on Redis; otherwise the local lock is the configured one."""
        return self.distributed_lock_enabled and self.redis_wanted

    @property
    def primary_backend(self) -> Literal["vllm", "ollama", "template"]:
        """LLM_PRIMARY_BACKEND, else the first upstream that has an address."""
        if self.llm_primary_backend is not None:
            return self.llm_primary_backend
        if self.vllm_base_url:
            return "vllm"
        return "ollama" if self.ollama_base_url else "template"

    @property
    def fallback_base_url(self) -> str:
        """The backup's address; "" when there is no backup upstream and only the template writer is left."""
        if not self.llm_fallback_enabled or self.llm_fallback_backend == "template":
            return ""
        own = self.vllm_base_url if self.llm_fallback_backend == "vllm" else self.ollama_base_url
        return self.llm_fallback_base_url or own

    @property
    def fallback_model(self) -> str:
        own = self.vllm_model if self.llm_fallback_backend == "vllm" else self.ollama_model
        return self.llm_fallback_model or own

    @property
    def jwt_configured(self) -> bool:
        return bool(
            self.jwt_secret.get_secret_value()
            or self.jwt_public_key_file
            or self.jwt_jwks_file
            or self.jwt_jwks_url
        )

    @property
    def accepted_jwt_algorithms(self) -> tuple[str, ...]:
        return self.jwt_algorithms or (("HS256",) if self.jwt_secret.get_secret_value() else ("RS256",))

    def masked(self) -> dict[str, str]:
        """Effective values by variable name, secrets as `***`: safe to print."""
        return {name.upper(): shown(getattr(self, name)) for name in declared_settings()}

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but should be known: one line each, for the log at start."""
        lines = []
        if (
            self.server_workers > 1
            and self.core_rate_limit_enabled
            and self.core_rate_limit_backend == "local"
        ):
            lines.append(
                "CORE_RATE_LIMIT_BACKEND=local gives each worker its share; use redis for exact limits"
            )
        if self.production and self.jwt_configured and not (self.jwt_issuer and self.jwt_audience):
            lines.append(
                "JWT_ISSUER or JWT_AUDIENCE is empty: tokens made for other services may be accepted"
            )
        if self.log_content:
            lines.append("LOG_CONTENT=true writes queries and scripts to the log")
        return tuple(lines)


def declared_settings() -> dict[str, FieldInfo]:
    return {name: info for section in SECTIONS for name, info in section.model_fields.items()}
