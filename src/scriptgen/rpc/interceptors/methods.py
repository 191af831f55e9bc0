"""Which methods get which treatment, as data: full method names and prefixes."""

from __future__ import annotations

from typing import Final

GENERATE: Final = "/scriptgen.v1.GenerateService/Generate"
GENERATE_STREAM: Final = "/scriptgen.v1.GenerateService/GenerateStream"
RECOGNIZE_INTENT: Final = "/scriptgen.v1.GenerateService/RecognizeIntent"
ADOPT_SCRIPT: Final = "/scriptgen.v1.GenerateService/AdoptScript"
UPDATE_SESSION: Final = "/scriptgen.v1.SessionService/UpdateSession"
DELETE_SESSION: Final = "/scriptgen.v1.SessionService/DeleteSession"

#: Run a generation: replayed, counted in flight, refused while draining.
GENERATING: Final = frozenset({GENERATE, GENERATE_STREAM})
#: May call a model: charged to the tenant's quota.
CHARGED: Final = GENERATING | {RECOGNIZE_INTENT}
#: Write to one session: one at a time.
LOCKED: Final = GENERATING | {UPDATE_SESSION, DELETE_SESSION, ADOPT_SCRIPT}
#: Infrastructure that needs no credential: only measured and error-mapped.
OPEN_PREFIXES: Final = ("/grpc.health.v1.Health/", "/grpc.reflection.")


def is_open(method: str) -> bool:
    return method.startswith(OPEN_PREFIXES)
