"""The composition root: the one place where settings become objects and objects are wired together.

Not responsible for the network: `server` puts what is built here on a port.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from importlib.util import find_spec
from typing import Final, cast

import msgspec

from scriptgen.coordination.protocols import (
    CancelBus,
    EagerSessionLock,
    RateLimiter,
    SessionLock,
    TenantLimits,
)
from scriptgen.domain.component import ComponentState, ComponentStatus
from scriptgen.domain.generation import GenerationRequest, GenerationResult
from scriptgen.domain.observer import Observer
from scriptgen.llm.estimate import TokenEstimator
from scriptgen.llm.router import Router
from scriptgen.rpc.interceptors.inflight import Admission
from scriptgen.settings import Settings, SettingsError
from scriptgen.stores.opener import opener_for
from scriptgen.version import service_version
from scriptgen.workflow.desk import Desk
from scriptgen.workflow.engine import Engine, Runner
from scriptgen.workflow.orchestrator import Orchestrator, StreamLimits
from scriptgen.workflow.sequential_runner import SequentialRunner
from scriptgen.workflow.sessions import Sessions

from .coordinators import coordination_of
from .model_path import compliance_checker, model_router, workshop_of
from .state_stores import Stores, event_relay, open_stores

logger = logging.getLogger(__name__)

#: A component that does not say how it is within this time is reported DOWN.
_STATUS_SECONDS: Final = 1.0
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
        checker = compliance_checker(settings)
        router = model_router(settings, observer)
        stores = await open_stores(settings)
        lock, limiter, bus = coordination_of(settings, stores, observer)
        workshop = workshop_of(settings, observer, checker, router, stores.profiles)
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
            dedup_ttl_seconds=settings.request_dedup_ttl_seconds,
            learn=learn,
        )
        limits = StreamLimits(
            flush_seconds=settings.stream_flush_ms / 2000,  # shorter than any time between two readings
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
            orchestrator=Orchestrator(engine, bus, limits, event_relay(settings, stores)),
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
            _asked("session_store", settings.session_store, self.stores.sessions.status),
            _asked("checkpoint_store", settings.checkpoint_store, self.stores.checkpoints.status),
            _asked("session_lock", "redis" if settings.distributed_lock else "local", self.lock.status),
            _asked("rate_limiter", limiter, self.limiter.status),
        )
        return [*statuses, *await self.router.status()]

    @property
    def eager_lock(self) -> EagerSessionLock | None:
        """The lock, where asking for it early saves a round trip: sessions and their lock are in Redis."""
        settings = self.settings
        in_redis = {settings.session_store, settings.checkpoint_store} == {"redis"}
        return cast("EagerSessionLock", self.lock) if in_redis and settings.distributed_lock else None

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


async def _asked(
    name: str, backend: str, status: Callable[[], Awaitable[ComponentStatus]]
) -> ComponentStatus:
    try:
        async with asyncio.timeout(_STATUS_SECONDS):
            return await status()
    except TimeoutError:
        return ComponentStatus(name, ComponentState.DOWN, backend, {"reason": "no answer in time"})


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
