"""The composition root: the one place where settings become objects and objects are wired together.

Not responsible for the network: `server` puts what is built here on a port.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import msgspec

from scriptgen.agents.answer import AnswerAgent
from scriptgen.agents.intent import IntentAgent
from scriptgen.agents.profile import ProfileAgent
from scriptgen.agents.quality import QualityAgent
from scriptgen.agents.script import ScriptAgent
from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon
from scriptgen.coordination.cancel_bus import LocalCancelBus, RedisCancelBus
from scriptgen.coordination.local_limiter import LocalRateLimiter
from scriptgen.coordination.local_lock import LocalSessionLock
from scriptgen.coordination.protocols import CancelBus, RateLimiter, SessionLock, TenantLimits
from scriptgen.coordination.redis_limiter import RedisRateLimiter
from scriptgen.coordination.redis_lock import RedisSessionLock
from scriptgen.coordination.unlimited import UnlimitedRateLimiter
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.generation import GenerationRequest, GenerationResult
from scriptgen.domain.observer import Observer
from scriptgen.llm.breaker import BreakerSettings
from scriptgen.llm.estimate import TokenEstimator, estimate_tokens
from scriptgen.llm.hedge import HedgeSettings
from scriptgen.llm.openai_backend import OpenAIBackend
from scriptgen.llm.protocol import LLMBackend
from scriptgen.llm.router import RetrySettings, Router, RouterSettings
from scriptgen.llm.template.backend import TemplateBackend
from scriptgen.llm.timed_response import Timers
from scriptgen.rpc.interceptors.inflight import Admission
from scriptgen.settings import Settings, SettingsError
from scriptgen.skills.registry import SkillRegistry
from scriptgen.stores.opener import opener_for
from scriptgen.stores.protocols import EventRelay, ProfileStore
from scriptgen.version import service_version
from scriptgen.workflow.desk import Desk
from scriptgen.workflow.failpoint import Failpoints
from scriptgen.workflow.generation import Engine, Runner
from scriptgen.workflow.orchestrator import Orchestrator, StreamLimits
from scriptgen.workflow.run import WorkflowLimits, Workshop
from scriptgen.workflow.sequential_runner import SequentialRunner
from scriptgen.workflow.sessions import Sessions

from .state_stores import Stores, open_stores

logger = logging.getLogger(__name__)

#: A component that does not say how it is within this time is reported DOWN.
_STATUS_SECONDS: Final = 1.0
#: Longest wait for the event relay: whoever reconnects has waited for the log already.
_RELAY_SECONDS: Final = 0.25
#: What the service's own prompt adds to what the operator typed, in tokens.
_PROMPT_OVERHEAD_TOKENS: Final = 700


class App(msgspec.Struct, frozen=True):
    """Everything a server needs, built and not yet started. `close` gives back what `build` took."""

    settings: Settings
    observer: Observer
    stores: Stores
    router: Router
    lock: SessionLock
    limiter: RateLimiter
    bus: CancelBus
    admission: Admission
    estimator: TokenEstimator
    sessions: Sessions
    orchestrator: Orchestrator
    desk: Desk
    version: str

    @classmethod
    async def build(cls, settings: Settings, observer: Observer) -> App:
        """Raises `SettingsError` for what only shows when it is tried (LangGraph missing, a broken file)."""
        checker = _checker(settings)
        router = _router(settings, observer)
        stores = await open_stores(settings)
        lock, limiter, bus = _coordination(settings, stores, observer)
        workshop = _workshop(settings, observer, checker, router, stores.profiles)
        sessions = Sessions(
            stores.sessions,
            stores.checkpoints,
            opener_for(stores.sessions, stores.checkpoints),
            window_turns=settings.history_window_turns,
        )
        estimator = TokenEstimator(overhead_tokens=_PROMPT_OVERHEAD_TOKENS)

        def learn(request: GenerationRequest, result: GenerationResult) -> None:
            if len(result.scripts) == 1:  # a batch says nothing about the next single script
                estimator.learn(request.query, result.usage, model=result.model)

        engine = Engine(
            workshop=workshop,
            runner=_runner(settings),
            sessions=sessions,
            session_store=stores.sessions,
            checkpoints=stores.checkpoints,
            checkpoint_backend=settings.checkpoint_store,
            checkpoint_keep=settings.checkpoint_keep,
            dedup_ttl_seconds=settings.request_dedup_ttl_seconds,
            learn=learn,
        )
        limits = StreamLimits(
            flush_seconds=settings.stream_flush_ms / 1000,
            max_events=settings.stream_buffer_events,
            reconnect_grace_seconds=settings.stream_reconnect_grace_seconds,
            retain_seconds=settings.request_dedup_ttl_seconds,
        )
        return cls(
            settings=settings,
            observer=observer,
            stores=stores,
            router=router,
            lock=lock,
            limiter=limiter,
            bus=bus,
            admission=Admission(settings.core_max_inflight, observer),
            estimator=estimator,
            sessions=sessions,
            orchestrator=Orchestrator(engine, bus, limits, _relay(settings, stores)),
            desk=Desk(workshop, sessions),
            version=service_version(),
        )

    async def start(self) -> None:
        """Start what works in the background."""
        for part in (self.lock, self.limiter, self.bus):
            await part.start()

    async def close(self, grace_seconds: float) -> None:
        """In the order of dependence: generations, coordination, models, stores."""
        await self.orchestrator.close(grace_seconds)
        for part in (self.bus, self.lock, self.limiter, self.router, self.stores):
            await part.close()

    async def components(self) -> list[ComponentStatus]:
        """How every part is, each asked at the same time and within one second."""
        settings = self.settings
        limiter = settings.core_rate_limit_backend if settings.core_rate_limit_enabled else "off"
        statuses = await asyncio.gather(
            _asked("session_store", settings.session_store, self.stores.sessions.status()),
            _asked("checkpoint_store", settings.checkpoint_store, self.stores.checkpoints.status()),
            _asked("session_lock", "redis" if settings.distributed_lock else "local", self.lock.status()),
            _asked("rate_limiter", limiter, self.limiter.status()),
        )
        return [*statuses, *await self.router.status()]

    @property
    def tenant_limits(self) -> TenantLimits:
        settings = self.settings
        return TenantLimits(
            qps=settings.core_rate_qps_per_tenant,
            tokens_per_minute=settings.core_rate_tokens_per_min,
            concurrent=settings.core_rate_concurrent_per_tenant,
        )

    @property
    def _model(self) -> str:
        settings = self.settings
        models = {"vllm": settings.vllm_model, "ollama": settings.ollama_model}
        return models.get(settings.primary_backend, "")

    def estimate(self, request: GenerationRequest) -> int:
        """Tokens to reserve for a request: prompt and answer."""
        target = request.parameters.target_characters or 0
        usage = self.estimator.estimate(request.query, model=self._model, target_characters=target)
        return usage.total


async def _asked(name: str, backend: str, status: Awaitable[ComponentStatus]) -> ComponentStatus:
    try:
        async with asyncio.timeout(_STATUS_SECONDS):
            return await status
    except TimeoutError:
        return ComponentStatus(name, ComponentState.DOWN, backend, {"reason": "no answer in time"})


def _checker(settings: Settings) -> ComplianceChecker:
    lexicon = settings.compliance_lexicon_file
    additions = settings.compliance_additions_file
    try:
        return ComplianceChecker(
            load_lexicon(Path(lexicon) if lexicon else None, Path(additions) if additions else None)
        )
    except ValueError as error:
        raise SettingsError(f"COMPLIANCE_LEXICON_FILE or COMPLIANCE_ADDITIONS_FILE: {error}") from None


def _router(settings: Settings, observer: Observer) -> Router:
    timers = Timers(
        connect=settings.llm_connect_timeout_seconds,
        first_token=settings.llm_first_token_timeout_seconds,
        idle=settings.llm_idle_timeout_seconds,
        total=settings.llm_total_timeout_seconds,
    )

    def upstream(name: str, url: str, model: str, key: str, models: dict[str, str]) -> OpenAIBackend:
        return OpenAIBackend(
            name,
            url,
            model,
            api_key=key,
            models_by_category=models,
            timers=timers,
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


def _coordination(
    settings: Settings, stores: Stores, observer: Observer
) -> tuple[SessionLock, RateLimiter, CancelBus]:
    redis: Any = stores.redis
    lock: SessionLock
    if settings.distributed_lock:
        lock = RedisSessionLock(
            redis,
            lease_seconds=settings.distributed_lock_lease_seconds,
            max_waiters=settings.session_lock_max_waiters,
            degrade=settings.session_lock_degrade,
            observer=observer,
        )
    else:
        lock = LocalSessionLock(max_waiters=settings.session_lock_max_waiters, observer=observer)
    # A lease must outlive the longest generation, or its place would be given away under it.
    lease_seconds = settings.llm_total_timeout_seconds * 2 + settings.session_lock_timeout_seconds
    limiter: RateLimiter
    if not settings.core_rate_limit_enabled:
        limiter = UnlimitedRateLimiter()
    elif settings.core_rate_limit_backend == "redis":
        limiter = RedisRateLimiter(
            redis,
            lease_seconds=lease_seconds,
            replicas=max(settings.rate_limit_replicas, settings.server_workers),
            shadow=settings.core_rate_limit_shadow,
            observer=observer,
        )
    else:
        limiter = LocalRateLimiter(
            lease_seconds=lease_seconds,
            replicas=settings.server_workers,
            shadow=settings.core_rate_limit_shadow,
            observer=observer,
        )
    bus: CancelBus = LocalCancelBus() if redis is None else RedisCancelBus(redis)
    return lock, limiter, bus


def _relay(settings: Settings, stores: Stores) -> EventRelay | None:
    """Only where instances may share sessions, and request ids mean something."""
    if stores.redis is None or not settings.request_dedup_enabled or not settings.request_dedup_ttl_seconds:
        return None
    from scriptgen.stores.redis import RedisBackend
    from scriptgen.stores.redis.events import RedisEventRelay

    backend = RedisBackend(stores.redis, timeout=_RELAY_SECONDS)
    return RedisEventRelay(
        backend,
        ttl_seconds=settings.request_dedup_ttl_seconds,
        max_batches=settings.stream_buffer_events,
    )


def _workshop(
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


def langgraph_installed() -> bool:
    """Whether the workflow engine can be imported. Other packages share its namespace, so the name alone says
    nothing.
    """
    try:
        return find_spec("langgraph.graph") is not None
    except ModuleNotFoundError:
        return False


def _runner(settings: Settings) -> Runner:
    installed = langgraph_installed()
    if settings.workflow_engine == "sequential":
        return SequentialRunner()
    if not installed:
        if settings.langgraph_required:
            raise SettingsError("LANGGRAPH_REQUIRED: got true, takes it only with LangGraph installed")
        logger.warning("LangGraph is not installed; the sequential engine runs the same workflow")
        return SequentialRunner()
    from scriptgen.workflow.langgraph_runner import LangGraphRunner

    return LangGraphRunner()
