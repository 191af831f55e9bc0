"""Every setting with its default, limits and meaning, in the order of docs/configuration.md.

A section's docstring is its heading there.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from .kinds import (
    Algorithms,
    Count,
    CountOrOff,
    HttpUrl,
    Listen,
    Ratio,
    RedisUrl,
    Seconds,
    Secret,
    StringMap,
    TcpListen,
    Timeout,
)


class ServerSection(BaseModel):
    """Server and process"""

    app_env: Literal["development", "production"] = Field(
        "development",
        description="`development` asks for no credential; `production` refuses unsafe settings.",
    )
    grpc_listen: Listen = Field("127.0.0.1:50051", description="Where the gRPC service listens.")
    metrics_listen: TcpListen = Field(
        "127.0.0.1:9464", description="Where Prometheus text is served at `/metrics`; empty: off."
    )
    server_workers: Count = Field(
        1, description="Processes on one port. More than one needs shared stores and a Redis lock."
    )
    grpc_reflection_enabled: bool | None = Field(
        None, description="Server reflection; unset: on in development, off in production."
    )
    grpc_max_receive_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = Field(
        1024 * 1024, description="Largest request message in bytes."
    )
    grpc_max_metadata_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = Field(
        16 * 1024, description="Largest request metadata in bytes."
    )
    grpc_max_concurrent_streams: Count = Field(
        1024, description="Calls at once on one connection; more wait in the client."
    )
    grpc_max_connection_idle_seconds: Seconds = Field(
        900, description="An idle connection is closed after this long; 0: never."
    )
    grpc_max_connection_age_seconds: Seconds = Field(
        3600, description="A connection is asked to reconnect after this long, so load spreads; 0: never."
    )
    grpc_max_connection_age_grace_seconds: Seconds = Field(
        150,
        description="How long calls of an aged connection may go on; at least the longest generation.",
    )
    grpc_keepalive_seconds: Timeout = Field(60, description="Silence after which the server pings a client.")
    grpc_keepalive_timeout_seconds: Timeout = Field(20, description="How long a ping may stay unanswered.")
    grpc_min_ping_interval_seconds: Seconds = Field(10, description="Clients may ping this often.")
    drain_delay_seconds: Seconds = Field(
        0.5, description="Between NOT_SERVING and the closed port, so that load balancers notice."
    )
    drain_grace_seconds: Seconds = Field(
        130,
        description="How long running calls may go on after SIGTERM: the longest generation and a reserve.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe line kept."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="One line of text or one JSON object each."
    )
    log_content: bool = Field(False, description="Log queries and scripts too. Off: ids and sizes only.")
    failpoints: str = Field("", description="Crash points for tests; refused in production.")


class SecuritySection(BaseModel):
    """Credentials and TLS"""

    api_keys_file: str = Field(
        "", description="Key file written by `scriptgen keys`; read again when it changes."
    )
    api_key_pepper: Secret = Field(
        SecretStr(""),
        description="Mixed into stored key hashes, so that the key file alone verifies nothing.",
    )
    jwt_algorithms: Algorithms = Field(
        (),
        description="Signatures of one key family; empty: HS256 with `JWT_SECRET`, else RS256.",
    )
    jwt_secret: Secret = Field(SecretStr(""), description="Shared secret of the HS family, 32 bytes or more.")
    jwt_public_key_file: str = Field("", description="PEM public key that verifies tokens.")
    jwt_jwks_file: str = Field("", description="JSON Web Key Set file; read again when it changes.")
    jwt_jwks_url: HttpUrl = Field("", description="JSON Web Key Set address; https only in production.")
    jwt_issuer: str = Field("", description="Required `iss` of every token; empty: not checked.")
    jwt_audience: str = Field(
        "", description="Required `aud` of every token; empty: a token that names an audience is refused."
    )
    jwt_leeway_seconds: Annotated[float, Field(ge=0, le=60)] = Field(
        10, description="Clock difference tolerated at `exp`, `nbf` and `iat`."
    )
    tls_cert_file: str = Field("", description="PEM certificate chain; read again when it changes.")
    tls_key_file: str = Field("", description="PEM private key of the certificate.")
    tls_client_ca_file: str = Field(
        "", description="PEM authorities; when set, clients must show a certificate."
    )
    tls_allow_plaintext: bool = Field(
        False, description="Allow plaintext beyond loopback in production (TLS ends in front of the service)."
    )


class StoreSection(BaseModel):
    """Stores, sessions and history"""

    session_store: Literal["memory", "redis", "sqlite"] = Field("memory", description="Where sessions live.")
    checkpoint_store: Literal["memory", "redis", "sqlite"] = Field(
        "memory", description="Where the checkpoint log lives."
    )
    redis_url: RedisUrl = Field(
        SecretStr("redis://localhost:6379/0"),
        description="Redis ≥ 7 or Valkey. Used when set, or when a Redis backend is chosen.",
    )
    sqlite_path: str = Field("scriptgen.db", description="One file for sessions and checkpoints.")
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL", description="NORMAL is faster; the last commits can be lost with the machine's power."
    )
    checkpoint_keep: CountOrOff = Field(200, description="Checkpoint records kept per session; 0: all.")
    session_ttl_seconds: CountOrOff = Field(
        0, description="Untouched sessions are removed after this; 0: kept."
    )
    session_max_turns: Count = Field(500, description="Turns kept in a session; the oldest go.")
    history_window_turns: CountOrOff = Field(20, description="Newest turns read for a request.")
    history_token_budget: CountOrOff = Field(1500, description="Tokens of history put into a prompt.")
    request_dedup_enabled: bool = Field(
        True, description="A repeated `request_id` is answered, not run again."
    )
    request_dedup_ttl_seconds: CountOrOff = Field(
        120, description="How long a result answers its `request_id`."
    )


class CoordinationSection(BaseModel):
    """Locks, quotas and admission"""

    distributed_lock_enabled: bool = Field(
        True, description="Session lock on Redis; takes effect when Redis is in use, else the lock is local."
    )
    distributed_lock_lease_seconds: Annotated[float, Field(ge=1)] = Field(
        30, description="Lease of the Redis lock, renewed at a third of it."
    )
    session_lock_timeout_seconds: Seconds = Field(8, description="Longest wait for a session's lock.")
    session_lock_max_waiters: CountOrOff = Field(16, description="Waiters per session; more are refused.")
    session_lock_degrade: Literal["local", "reject"] = Field(
        "local", description="What to do while Redis is away: lock within the process, or refuse."
    )
    core_rate_limit_enabled: bool = Field(True, description="Per-tenant limits.")
    core_rate_limit_backend: Literal["local", "redis"] = Field(
        "local", description="Count in each process, or together on Redis."
    )
    core_rate_limit_shadow: bool = Field(False, description="Count and report refusals, but let calls pass.")
    core_rate_qps_per_tenant: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        8, description="Requests a second per tenant; 0: no limit."
    )
    core_rate_tokens_per_min: CountOrOff = Field(
        20000, description="Prompt and completion tokens a minute per tenant; 0: no limit."
    )
    core_rate_concurrent_per_tenant: CountOrOff = Field(
        16,
        description="Generations at once per tenant; 0: no limit. 8 a second of 2 s each are 16.",
    )
    rate_limit_replicas: Count = Field(
        1, description="Processes that share a tenant's limits while Redis is away: each allows its share."
    )
    core_max_inflight: Count = Field(256, description="Generations at once in one process; more are refused.")


class ModelSection(BaseModel):
    """Language models"""

    llm_primary_backend: Literal["vllm", "ollama", "template"] | None = Field(
        None,
        description="Unset: vllm if it has a `…_BASE_URL`, else ollama if it has, else template.",
    )
    vllm_base_url: HttpUrl = Field("", description="OpenAI-compatible address, with `/v1`.")
    vllm_model: str = Field("Qwen/Qwen2.5-7B-Instruct", description="Model name there.")
    vllm_adapters_json: StringMap = Field({}, description="Category → LoRA adapter or model name on vLLM.")
    ollama_base_url: HttpUrl = Field("", description="OpenAI-compatible address, with `/v1`.")
    ollama_model: str = Field("qwen2.5:7b", description="Model name there.")
    ollama_models_json: StringMap = Field({}, description="Category → model name on Ollama.")
    llm_api_key: Secret = Field(SecretStr(""), description="Bearer key of the primary upstream.")
    llm_fallback_enabled: bool = Field(
        True, description="Go on with the backup and the template writer when the primary fails."
    )
    llm_fallback_backend: Literal["ollama", "vllm", "template"] = Field("ollama", description="The backup.")
    llm_fallback_base_url: HttpUrl = Field("", description="Empty: the backup's own `…_BASE_URL`.")
    llm_fallback_model: str = Field("", description="Empty: the backup's own `…_MODEL`.")
    llm_fallback_api_key: Secret = Field(SecretStr(""), description="Bearer key of the backup upstream.")
    llm_connect_timeout_seconds: Timeout = Field(5, description="To connect to an upstream.")
    llm_first_token_timeout_seconds: Timeout = Field(20, description="From the request to the first text.")
    llm_idle_timeout_seconds: Timeout = Field(15, description="Between two pieces of text.")
    llm_total_timeout_seconds: Timeout = Field(120, description="A whole model call.")
    llm_retry_budget_seconds: Seconds = Field(
        3, description="Time in which a failed call may be tried again."
    )
    llm_max_response_bytes: Annotated[int, Field(ge=1024)] = Field(
        1024 * 1024, description="More from an upstream counts as a failure."
    )
    llm_pool_size: Count = Field(256, description="Open connections per upstream.")
    llm_breaker_failures: Count = Field(4, description="Failures in a row that open a backend's breaker.")
    llm_breaker_open_seconds: Timeout = Field(
        5, description="How long an open breaker sends nothing; doubled each time a probe fails."
    )
    llm_breaker_max_open_seconds: Timeout = Field(60, description="To what that grows.")
    llm_breaker_half_open_probes: Count = Field(1, description="Calls at once that test a half-open backend.")
    llm_breaker_slow_start_calls: CountOrOff = Field(
        16, description="Successes after which a recovered backend is no longer limited."
    )
    llm_hedge_enabled: bool = Field(
        False, description="Ask the backup too when the first token is slow; at most 5 % more calls."
    )
    llm_hedge_after_seconds: Timeout = Field(2, description="What counts as slow for hedging.")


class WritingSection(BaseModel):
    """Workflow, writing and streams"""

    workflow_engine: Literal["langgraph", "sequential"] = Field(
        "langgraph", description="Which runner to use."
    )
    langgraph_required: bool = Field(False, description="Refuse to start when LangGraph is not installed.")
    intent_llm_threshold: Ratio = Field(0.7, description="Below this confidence the rules ask the model.")
    intent_clarify_threshold: Ratio = Field(0.4, description="Below this confidence the service asks back.")
    quality_max_retries: Annotated[int, Field(ge=0, le=5)] = Field(
        2, description="How often a script that fails its review is written again."
    )
    compliance_lexicon_file: str = Field("", description="Replaces the built-in lexicon.")
    compliance_additions_file: str = Field("", description="Terms added to the lexicon.")
    template_pace_seconds: Seconds = Field(0, description="Pause between pieces of the template writer.")
    stream_flush_ms: Annotated[int, Field(ge=0, le=1000)] = Field(
        90,
        description="Milliseconds from one reading of a running stream to the next, many at once; somewhat "
        "less when hundreds run. The first text does not wait. 0: every word is read and sent as it comes.",
    )
    stream_buffer_events: Annotated[int, Field(ge=16)] = Field(
        4096, description="Events kept for a reconnecting stream."
    )
    stream_reader_seconds: Timeout = Field(
        30, description="A reader that takes nothing of a stream for so long loses it."
    )
    stream_reconnect_grace_seconds: Seconds = Field(
        0,
        description="How long a generation goes on after its last listener left; 0: it is cancelled at once.",
    )


SECTIONS: tuple[type[BaseModel], ...] = (
    ServerSection,
    SecuritySection,
    StoreSection,
    CoordinationSection,
    ModelSection,
    WritingSection,
)
