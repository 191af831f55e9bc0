"""Refuses malformed requests with all violations at once and prepares a generation's domain request."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from scriptgen.domain.errors import InvalidArgumentError
from scriptgen.domain.generation import GenerationRequest
from scriptgen.rpc.validation import undecodable, validate

from .call import Call, Undecodable
from .chain import Interceptor
from .methods import GENERATE_STREAM, GENERATING


class ValidationInterceptor(Interceptor):
    name: ClassVar[str] = "validation"

    def __init__(self, build: Callable[[Call], GenerationRequest]) -> None:
        """`build` makes the domain request of a valid Generate or GenerateStream call."""
        self._build = build

    async def enter(self, call: Call) -> None:
        if isinstance(call.request, Undecodable):
            raise undecodable()
        violations = validate(call.request)
        if violations:
            raise InvalidArgumentError(violations)
        if call.method in GENERATING:
            call.generation = self._build(call)
        if call.method == GENERATE_STREAM:
            call.resume_after = call.request.resume_after_sequence
