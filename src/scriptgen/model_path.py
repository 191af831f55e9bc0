"""Builds what understands, writes and reviews: the compliance checker, the router over the model backends,
and the agents around them.

Not responsible for state or coordination: see `state_stores` and `coordinators`.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from scriptgen.agents.answer import AnswerAgent
from scriptgen.agents.intent import IntentAgent
from scriptgen.agents.profile import ProfileAgent
from scriptgen.agents.quality import QualityAgent
from scriptgen.agents.script import ScriptAgent
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon
from scriptgen.domain.observer import Observer
from scriptgen.llm.beat import Beat
from scriptgen.llm.breaker import BreakerSettings
from scriptgen.llm.estimate import estimate_tokens
from scriptgen.llm.hedge import HedgeSettings
from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import LLMBackend
from scriptgen.llm.router import RetrySettings, Router, RouterSettings
from scriptgen.llm.template.backend import TemplateBackend
from scriptgen.llm.timed_response import Timers
from scriptgen.settings import Settings, SettingsError
from scriptgen.skills.registry import SkillRegistry
from scriptgen.stores.protocols import ProfileStore
from scriptgen.workflow.failpoint import Failpoints
from scriptgen.workflow.run import WorkflowLimits, Workshop


def compliance_checker(settings: Settings) -> ComplianceChecker:
    lexicon = settings.compliance_lexicon_file
    additions = settings.compliance_additions_file
    try:
        return ComplianceChecker(
            load_lexicon(Path(lexicon) if lexicon else None, Path(additions) if additions else None)
        )
    except ValueError as error:
        raise SettingsError(f"COMPLIANCE_LEXICON_FILE or COMPLIANCE_ADDITIONS_FILE: {error}") from None


def model_router(settings: Settings, observer: Observer) -> Router:
    timers = Timers(
        connect=settings.llm_connect_timeout_seconds,
        first_token=settings.llm_first_token_timeout_seconds,
        idle=settings.llm_idle_timeout_seconds,
        total=settings.llm_total_timeout_seconds,
    )

    beat = Beat(settings.stream_flush_ms / 1000)

    def upstream(name: str, url: str, model: str, key: str, models: dict[str, str]) -> OpenAIBackend:
        return OpenAIBackend(
            name,
            url,
            model,
            api_key=key,
            models_by_category=models,
            timers=timers,
            beat=beat,
            max_response_bytes=settings.llm_max_response_bytes,
            pool_size=settings.llm_pool_size,
            # Only vLLM knows it; a call that is cut then has an exact count instead of an estimate.
            continuous_usage=name.startswith("vllm"),
        )

    backends: list[LLMBackend] = []
    primary = settings.primary_backend
    key = settings.llm_api_key.get_secret_value()
    if primary == "vllm":
        models = dict(settings.vllm_adapters_json)
        backends.append(upstream("vllm", settings.vllm_base_url, settings.vllm_model, key, models))
    elif primary == "ollama":
        models = dict(settings.ollama_models_json)
        backends.append(upstream("ollama", settings.ollama_base_url, settings.ollama_model, key, models))
    if primary != "template" and settings.fallback_base_url:
        backup_key = settings.llm_fallback_api_key.get_secret_value()
        name = settings.llm_fallback_backend
        shown = f"{name}-backup" if name == primary else name
        backends.append(upstream(shown, settings.fallback_base_url, settings.fallback_model, backup_key, {}))
    if primary == "template" or settings.llm_fallback_enabled:
        backends.append(TemplateBackend(pace=settings.template_pace_seconds))
    return Router(backends, settings=_router_settings(settings), observer=observer)


def _router_settings(settings: Settings) -> RouterSettings:
    return RouterSettings(
        fallback_enabled=settings.llm_fallback_enabled,
        retry=RetrySettings(budget_seconds=settings.llm_retry_budget_seconds),
        breaker=BreakerSettings(
            fault_threshold=settings.llm_breaker_failures,
            open_seconds=settings.llm_breaker_open_seconds,
            max_open_seconds=settings.llm_breaker_max_open_seconds,
            probes=settings.llm_breaker_half_open_probes,
            slow_start_calls=settings.llm_breaker_slow_start_calls,
        ),
        hedge=HedgeSettings(enabled=settings.llm_hedge_enabled, after=settings.llm_hedge_after_seconds),
    )


def workshop_of(
    settings: Settings,
    observer: Observer,
    checker: ComplianceChecker,
    router: Router,
    profiles: ProfileStore,
) -> Workshop:
    # A new secret mark for every process: text that contains it leaked from the system prompt.
    canary = f"sg-{secrets.token_hex(8)}"

    def writer(model: Router) -> ScriptAgent:
        return ScriptAgent(model, checker, observer=observer, canary=canary, count_tokens=estimate_tokens)

    last_resort = None
    if settings.llm_fallback_enabled or settings.primary_backend == "template":
        last_resort = writer(Router([TemplateBackend()], observer=Observer()))
    answers = AnswerAgent(router, checker, canary=canary, count_tokens=estimate_tokens)
    return Workshop(
        intent=IntentAgent(
            router if router.has_model else None,
            llm_threshold=settings.intent_llm_threshold,
            clarify_threshold=settings.intent_clarify_threshold,
        ),
        profiles=ProfileAgent(profiles, observer=observer, checker=checker),
        writer=writer(router),
        last_resort=last_resort,
        quality=QualityAgent(checker, observer=observer),
        skills=SkillRegistry.default(answers),
        model=router,
        limits=WorkflowLimits(
            quality_max_retries=settings.quality_max_retries,
            history_token_budget=settings.history_token_budget,
            history_window_turns=settings.history_window_turns,
        ),
        primary_backend=settings.primary_backend,
        observer=observer,
        failpoints=Failpoints(settings.failpoints),
    )
