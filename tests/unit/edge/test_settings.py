from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from scriptgen.settings import Settings, SettingsError, load_settings, reference, split_listen
from scriptgen.settings.sections import SECTIONS

ROOT = Path(__file__).parents[3]
SECRET = "a-secret-of-at-least-thirty-two-bytes"
PRODUCTION = {"APP_ENV": "production", "API_KEYS_FILE": "keys.json"}
SHARED = {
    "SESSION_STORE": "sqlite",
    "CHECKPOINT_STORE": "sqlite",
    "REDIS_URL": "redis://localhost:6379/0",
    "SERVER_WORKERS": "2",
}


def refusal(env: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(env)
    assert "\n" not in str(caught.value)
    return str(caught.value)


#: What users of the original system know, and what architecture.md names.
KNOWN_DEFAULTS = {
    "APP_ENV": "development",
    "SESSION_STORE": "memory",
    "CHECKPOINT_STORE": "memory",
    "REDIS_URL": "redis://localhost:6379/0",
    "DISTRIBUTED_LOCK_ENABLED": "true",
    "CORE_RATE_LIMIT_ENABLED": "true",
    "CORE_RATE_LIMIT_BACKEND": "local",
    "CORE_RATE_QPS_PER_TENANT": "8.0",
    "CORE_RATE_TOKENS_PER_MIN": "20000",
    "LLM_FALLBACK_ENABLED": "true",
    "LLM_FALLBACK_BACKEND": "ollama",
    "LANGGRAPH_REQUIRED": "false",
    "REQUEST_DEDUP_ENABLED": "true",
    "REQUEST_DEDUP_TTL_SECONDS": "120",
    "SESSION_LOCK_TIMEOUT_SECONDS": "8.0",
    "DISTRIBUTED_LOCK_LEASE_SECONDS": "30.0",
    "WORKFLOW_ENGINE": "langgraph",
    "GRPC_LISTEN": "127.0.0.1:50051",
    "METRICS_LISTEN": "127.0.0.1:9464",
    "SERVER_WORKERS": "1",
    "LLM_CONNECT_TIMEOUT_SECONDS": "5.0",
    "LLM_FIRST_TOKEN_TIMEOUT_SECONDS": "20.0",
    "LLM_IDLE_TIMEOUT_SECONDS": "15.0",
    "LLM_TOTAL_TIMEOUT_SECONDS": "120.0",
}


@pytest.mark.parametrize(("name", "value"), KNOWN_DEFAULTS.items())
def test_a_known_setting_keeps_its_name_and_default(name: str, value: str) -> None:
    shown = load_settings({}).masked()[name]
    assert shown in {value, value.removesuffix(".0")}


def test_the_real_environment_is_read_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRPC_LISTEN", "127.0.0.1:50099")
    assert load_settings().grpc_listen == "127.0.0.1:50099"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).app_env = "production"


def test_an_empty_value_is_no_value_but_turns_metrics_off() -> None:
    settings = load_settings({"VLLM_BASE_URL": "", "CORE_RATE_QPS_PER_TENANT": " ", "METRICS_LISTEN": ""})
    assert settings.core_rate_qps_per_tenant == 8
    assert settings.metrics_listen == ""


@pytest.mark.parametrize(
    ("env", "line"),
    [
        ({"APP_ENV": "prod"}, "APP_ENV: got 'prod', takes one of `development`, `production`"),
        ({"CORE_RATE_QPS_PER_TENANT": "many"}, "CORE_RATE_QPS_PER_TENANT: got 'many', takes a number ≥ 0"),
        ({"CORE_RATE_TOKENS_PER_MIN": "-1"}, "CORE_RATE_TOKENS_PER_MIN: got '-1', takes an integer ≥ 0"),
        ({"LLM_TOTAL_TIMEOUT_SECONDS": "nan"}, "LLM_TOTAL_TIMEOUT_SECONDS: got 'nan', takes a number > 0"),
        ({"LLM_FALLBACK_ENABLED": "maybe"}, "LLM_FALLBACK_ENABLED: got 'maybe', takes `true` or `false`"),
        ({"JWT_LEEWAY_SECONDS": "61"}, "JWT_LEEWAY_SECONDS: got '61', takes a number ≥ 0 and ≤ 60"),
        (
            {"GRPC_LISTEN": "50051"},
            "GRPC_LISTEN: got '50051', takes `host:port`, `[ipv6]:port` or `unix:path`",
        ),
        (
            {"METRICS_LISTEN": "unix:/m"},
            "METRICS_LISTEN: got 'unix:/m', takes `host:port`, or empty to turn it off",
        ),
        ({"VLLM_BASE_URL": "localhost"}, "VLLM_BASE_URL: got 'localhost', takes an http:// or https:// URL"),
        ({"VLLM_ADAPTERS_JSON": "[1]"}, 'takes a JSON object of strings, {"美妆": "name"}'),
        ({"OLLAMA_MODELS_JSON": '{"a": 1}'}, "takes a JSON object of strings"),
        ({"JWT_ALGORITHMS": "HS256,none"}, "JWT_ALGORITHMS: got 'HS256,none', takes a comma-separated list"),
        (
            {"SCRIPTGEN_LOG_LEVEL": "DEBUG", "SCRIPTGEN_X": "1"},
            "SCRIPTGEN_LOG_LEVEL, SCRIPTGEN_X: unknown setting",
        ),
        (
            {"TLS_CERT_FILE": "/no/such.pem"},
            "TLS_CERT_FILE: got '/no/such.pem', takes the path of an existing file",
        ),
        (
            {"LLM_PRIMARY_BACKEND": "vllm"},
            "LLM_PRIMARY_BACKEND: got 'vllm', takes it only with VLLM_BASE_URL",
        ),
        ({"LLM_FALLBACK_BACKEND": "ollama"}, "takes it only with LLM_FALLBACK_BASE_URL or OLLAMA_BASE_URL"),
        ({"INTENT_CLARIFY_THRESHOLD": "0.9"}, "INTENT_CLARIFY_THRESHOLD: got 0.9, takes at most"),
        ({"GRPC_MAX_CONNECTION_AGE_GRACE_SECONDS": "10"}, "takes at least LLM_TOTAL_TIMEOUT_SECONDS (120)"),
        ({"APP_ENV": "production"}, "APP_ENV: got 'production' without a source of credentials"),
        (
            {**PRODUCTION, "GRPC_LISTEN": "0.0.0.0:50051"},
            "GRPC_LISTEN: got '0.0.0.0:50051' without TLS in production",
        ),
        ({**PRODUCTION, "FAILPOINTS": "commit"}, "FAILPOINTS: got 'commit', takes nothing in production"),
        (
            {**PRODUCTION, "JWT_JWKS_URL": "http://i/k"},
            "JWT_JWKS_URL: got 'http://i/k', takes an https:// URL",
        ),
        ({"SERVER_WORKERS": "2"}, "SESSION_STORE: got 'memory' with SERVER_WORKERS=2"),
        ({**SHARED, "CHECKPOINT_STORE": "memory"}, "CHECKPOINT_STORE: got 'memory' with SERVER_WORKERS=2"),
        ({**SHARED, "REDIS_URL": ""}, "SERVER_WORKERS: got 2 with a local session lock"),
        ({**SHARED, "DISTRIBUTED_LOCK_ENABLED": "false"}, "SERVER_WORKERS: got 2 with a local session lock"),
        ({**SHARED, "GRPC_LISTEN": "unix:/tmp/s"}, "SERVER_WORKERS: got 2 with a unix: address"),
        ({"JWT_ALGORITHMS": "RS256"}, "JWT_ALGORITHMS: got a list but no key"),
        ({"JWT_SECRET": SECRET, "JWT_ALGORITHMS": "HS256,RS256"}, "takes algorithms of one key family"),
        ({"JWT_SECRET": SECRET, "JWT_ALGORITHMS": "RS256"}, "takes the HS family with JWT_SECRET"),
        (
            {"JWT_JWKS_URL": "https://i/k", "JWT_ALGORITHMS": "HS256"},
            "takes a public-key family with JWT_JWKS_URL",
        ),
        (
            {"JWT_SECRET": SECRET, "JWT_JWKS_URL": "https://i/k"},
            "JWT_SECRET and JWT_JWKS_URL: got more than one",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_wrong_value_is_refused_in_one_line_that_names_it(env: dict[str, str], line: str) -> None:
    assert line in refusal(env)


@pytest.mark.parametrize(
    "env",
    [
        {"REDIS_URL": "http://user:hunter2@host"},
        {"JWT_SECRET": "hunter2"},
        {"JWT_SECRET": SECRET + "hunter2", "JWT_ALGORITHMS": "RS256"},
    ],
)
def test_an_error_line_shows_no_secret(env: dict[str, str]) -> None:
    assert "hunter2" not in refusal(env)


def test_printed_settings_show_no_secret() -> None:
    env = {
        "REDIS_URL": "rediss://anna:hunter2@host:6380/1?password=hunter2",
        "JWT_SECRET": SECRET + "hunter2",
        "API_KEY_PEPPER": "hunter2",
        "LLM_API_KEY": "hunter2",
        "LLM_FALLBACK_API_KEY": "hunter2",
        "VLLM_BASE_URL": "http://anna:hunter2@gpu:8000/v1",
    }
    settings = load_settings(env)
    masked = settings.masked()
    assert "hunter2" not in repr(masked)
    assert "hunter2" not in repr(settings).replace(env["VLLM_BASE_URL"], "")
    assert masked["REDIS_URL"] == "rediss://***@host:6380/1?password=***"
    assert masked["JWT_SECRET"] == "***"
    assert load_settings({}).masked()["JWT_SECRET"] == ""


@pytest.mark.parametrize(
    ("env", "wanted", "distributed"),
    [
        ({}, False, False),
        ({"REDIS_URL": "redis://h:1"}, True, True),
        ({"REDIS_URL": "redis://h:1", "DISTRIBUTED_LOCK_ENABLED": "false"}, True, False),
        ({"SESSION_STORE": "redis"}, True, True),
        ({"CHECKPOINT_STORE": "redis"}, True, True),
        ({"CORE_RATE_LIMIT_BACKEND": "redis"}, True, True),
        ({"CORE_RATE_LIMIT_BACKEND": "redis", "CORE_RATE_LIMIT_ENABLED": "false"}, False, False),
    ],
)
def test_redis_is_used_only_when_somebody_asked_for_it(
    env: dict[str, str], wanted: bool, distributed: bool
) -> None:
    settings = load_settings(env)
    assert (settings.redis_wanted, settings.distributed_lock) == (wanted, distributed)


@pytest.mark.parametrize(
    ("env", "primary", "fallback"),
    [
        ({}, "template", ""),
        ({"OLLAMA_BASE_URL": "http://o/v1"}, "ollama", "http://o/v1"),
        ({"VLLM_BASE_URL": "http://v/v1"}, "vllm", ""),
        ({"VLLM_BASE_URL": "http://v/v1/", "OLLAMA_BASE_URL": "http://o/v1"}, "vllm", "http://o/v1"),
        ({"VLLM_BASE_URL": "http://v/v1", "LLM_PRIMARY_BACKEND": "template"}, "template", ""),
        ({"VLLM_BASE_URL": "http://v/v1", "LLM_FALLBACK_BASE_URL": "http://b/v1"}, "vllm", "http://b/v1"),
        ({"OLLAMA_BASE_URL": "http://o/v1", "LLM_FALLBACK_ENABLED": "false"}, "ollama", ""),
        ({"OLLAMA_BASE_URL": "http://o/v1", "LLM_FALLBACK_BACKEND": "template"}, "ollama", ""),
    ],
)
def test_backends_follow_from_the_addresses(env: dict[str, str], primary: str, fallback: str) -> None:
    settings = load_settings(env)
    assert (settings.primary_backend, settings.fallback_base_url) == (primary, fallback)


def test_reflection_follows_the_environment_unless_it_is_set() -> None:
    assert load_settings({}).reflection
    assert not load_settings(PRODUCTION).reflection
    assert load_settings({**PRODUCTION, "GRPC_REFLECTION_ENABLED": "true"}).reflection


@pytest.mark.parametrize(
    "env",
    [
        PRODUCTION,
        {**PRODUCTION, "GRPC_LISTEN": "unix:/run/scriptgen"},
        {**PRODUCTION, "GRPC_LISTEN": "[::1]:50051"},
        {**PRODUCTION, "GRPC_LISTEN": "0.0.0.0:50051", "TLS_ALLOW_PLAINTEXT": "true"},
        {"APP_ENV": "production", "JWT_SECRET": SECRET},
        {"APP_ENV": "production", "JWT_JWKS_URL": "https://issuer/keys", "JWT_ALGORITHMS": "RS256,PS256"},
        {"GRPC_LISTEN": "0.0.0.0:50051"},
        SHARED,
    ],
    ids=repr,
)
def test_a_safe_combination_is_accepted(env: dict[str, str]) -> None:
    load_settings(env)


def test_certificate_and_key_are_set_together(tmp_path: Path) -> None:
    file = tmp_path / "a.pem"
    file.touch()
    assert refusal({"TLS_CERT_FILE": str(file)}).startswith("TLS_KEY_FILE:")
    assert refusal({"TLS_CLIENT_CA_FILE": str(file)}).startswith("TLS_CLIENT_CA_FILE:")


def test_algorithms_follow_the_kind_of_key() -> None:
    assert load_settings({"JWT_SECRET": SECRET}).accepted_jwt_algorithms == ("HS256",)
    assert load_settings({"JWT_JWKS_URL": "https://i/k"}).accepted_jwt_algorithms == ("RS256",)
    chosen = load_settings({"JWT_JWKS_URL": "https://i/k", "JWT_ALGORITHMS": "ES256, ES384"})
    assert chosen.accepted_jwt_algorithms == ("ES256", "ES384")


def test_what_is_allowed_but_risky_is_said() -> None:
    assert load_settings({}).warnings() == ()
    assert "CORE_RATE_LIMIT_BACKEND" in load_settings(SHARED).warnings()[0]
    assert "LOG_CONTENT" in load_settings({"LOG_CONTENT": "true"}).warnings()[0]
    assert "JWT_ISSUER" in load_settings({"APP_ENV": "production", "JWT_SECRET": SECRET}).warnings()[0]


def test_addresses_are_split() -> None:
    assert split_listen("127.0.0.1:50051") == ("127.0.0.1", 50051)
    assert split_listen("[::1]:0") == ("::1", 0)
    assert split_listen("unix:/run/s") == ("unix:/run/s", -1)
    for wrong in ("", "host", "host:", ":1", "host:65536", "host:x", "unix:", "host:１"):
        with pytest.raises(ValueError):
            split_listen(wrong)


def test_every_setting_is_in_exactly_one_section_and_explained() -> None:
    names = [name for section in SECTIONS for name in section.model_fields]
    assert len(names) == len(set(names))
    assert set(names) == set(Settings.model_fields)
    for section in SECTIONS:
        assert section.__doc__
        for name, info in section.model_fields.items():
            assert re.fullmatch(r".*\.", info.description or ""), name


def test_the_documented_table_is_the_settings() -> None:
    assert reference() in (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
