"""What every request must look like: each type has a function that finds all its violations at once.

Not responsible for what depends on stored data (existence, rights, revisions). Limits are those of the
protos' comments and stand in one table; lengths count Unicode code points.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from scriptgen.domain.errors import FieldViolation, InvalidArgumentError
from scriptgen.domain.vocabulary import CATEGORIES
from scriptgen.v1 import checkpoint_pb2, generate_pb2, session_pb2, status_pb2, types_pb2

ID, NAME, LONG_NAME, TOKEN = 128, 64, 128, 1024
QUERY, REPLY, REVIEWED = 4000, 8000, 20000
AUDIENCE, SELLING_POINT, FACT = 500, 200, 500
SELLING_POINTS, FACTS, CATCHPHRASES, SAMPLES, HISTORY = 20, 50, 20, 10, 50
MASK_PATHS: Final = ("influencer", "category", "product")

_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
#: Text that is one line: no C0 or C1 control at all. Text of several lines may break and tab.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROL_BUT_BREAKS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def validate(message: Any) -> list[FieldViolation]:
    """All violations of a request message, in the order of its fields; empty when it is good. Raises KeyError
    for a type without rules: a new request must say what it takes.
    """
    found = _Violations()
    _RULES[type(message)](found, message)
    return found.all


def undecodable() -> InvalidArgumentError:
    """For bytes that are no message of the method's type; which field broke them nobody can tell."""
    return InvalidArgumentError([FieldViolation("request", "is no message of this method's type in UTF-8")])


class _Violations:
    """Collects what is wrong; every method checks one field."""

    __slots__ = ("all",)

    def __init__(self) -> None:
        self.all: list[FieldViolation] = []

    def add(self, field: str, description: str) -> None:
        self.all.append(FieldViolation(field, description))

    def text(
        self, field: str, value: str, limit: int, *, required: bool = False, lines: bool = False
    ) -> None:
        if required and not value.strip():
            self.add(field, f"required: takes 1 to {limit} characters that are not all blank")
        elif len(value) > limit:
            self.add(field, f"takes at most {limit} characters, got {len(value)}")
        elif (_CONTROL_BUT_BREAKS if lines else _CONTROL).search(value):
            self.add(field, "takes no control characters" + (" but line breaks and tabs" if lines else ""))

    def id(self, field: str, value: str, *, required: bool = True) -> None:
        if value:
            if not _ID.fullmatch(value):
                self.add(field, f"takes 1 to {ID} characters of [A-Za-z0-9._:-]")
        elif required:
            self.add(field, "required")

    def request_id(self, field: str, value: str) -> None:
        if value and not _REQUEST_ID.fullmatch(value):
            self.add(field, "takes 8 to 128 characters of [A-Za-z0-9._:-]")

    def texts(
        self, field: str, values: Iterable[str], count: int, limit: int, *, lines: bool = False
    ) -> None:
        items = list(values)
        if self.count(field, len(items), count):
            for index, value in enumerate(items):
                self.text(f"{field}[{index}]", value, limit, required=True, lines=lines)

    def count(self, field: str, got: int, limit: int) -> bool:
        """Too many items are one violation, not one for each."""
        if got > limit:
            self.add(field, f"takes at most {limit} items, got {got}")
        return got <= limit

    def between(self, field: str, value: float, low: float, high: float) -> None:
        # Written so that NaN, which compares false, is refused.
        if not low <= value <= high:
            self.add(field, f"takes {low:g} to {high:g}")

    def at_least(self, field: str, value: int, low: int) -> None:
        if value < low:
            self.add(field, f"takes {low} or more")

    def category(self, field: str, value: str) -> None:
        if value and value not in CATEGORIES:
            self.add(field, "takes one of " + ", ".join(CATEGORIES))


def _style(found: _Violations, path: str, style: types_pb2.Style) -> None:
    found.text(f"{path}.tone", style.tone, NAME)
    found.texts(f"{path}.catchphrases", style.catchphrases, CATCHPHRASES, NAME)
    for name in ("formality", "humor", "interaction"):
        if style.HasField(name):
            found.between(f"{path}.{name}", getattr(style, name), 0, 1)
    if style.HasField("avg_sentence_length"):
        found.between(f"{path}.avg_sentence_length", style.avg_sentence_length, 1, 200)


def _influencer(found: _Violations, influencer: types_pb2.Influencer) -> None:
    found.text("influencer.influencer_id", influencer.influencer_id, ID)
    found.text("influencer.name", influencer.name, NAME)
    found.text("influencer.platform", influencer.platform, NAME)
    _style(found, "influencer.style", influencer.style)
    found.text("influencer.audience", influencer.audience, AUDIENCE, lines=True)
    found.texts("influencer.sample_scripts", influencer.sample_scripts, SAMPLES, QUERY, lines=True)


def _product(found: _Violations, product: types_pb2.Product) -> None:
    found.text("product.product_id", product.product_id, ID)
    found.text("product.name", product.name, LONG_NAME)
    found.text("product.brand", product.brand, NAME)
    found.text("product.price", product.price, NAME)
    found.texts("product.selling_points", product.selling_points, SELLING_POINTS, SELLING_POINT, lines=True)
    if found.count("product.facts", len(product.facts), FACTS):
        for key, value in product.facts.items():
            # A key that is itself wrong is not repeated in the path.
            path = (
                f'product.facts["{key}"]'
                if len(key) <= NAME and not _CONTROL.search(key)
                else "product.facts"
            )
            found.text(path, key, NAME, required=True)
            found.text(path, value, FACT, lines=True)


def _generate(
    found: _Violations, message: generate_pb2.GenerateRequest | generate_pb2.GenerateStreamRequest
) -> None:
    found.id("session_id", message.session_id)
    found.text("query", message.query, QUERY, required=True, lines=True)
    found.request_id("request_id", message.request_id)
    found.id("trace_id", message.trace_id, required=False)
    wishes = message.parameters
    if wishes.HasField("temperature"):
        found.between("parameters.temperature", wishes.temperature, 0, 2)
    if wishes.HasField("top_p") and not 0 < wishes.top_p <= 1:
        found.add("parameters.top_p", "takes more than 0, at most 1")
    if wishes.HasField("max_tokens"):
        found.between("parameters.max_tokens", wishes.max_tokens, 1, 8192)
    if wishes.HasField("target_characters"):
        found.between("parameters.target_characters", wishes.target_characters, 20, 2000)
    _product(found, message.product)


def _generate_stream(found: _Violations, message: generate_pb2.GenerateStreamRequest) -> None:
    _generate(found, message)
    found.at_least("resume_after_sequence", message.resume_after_sequence, 0)


def _recognize(found: _Violations, message: generate_pb2.RecognizeIntentRequest) -> None:
    found.text("query", message.query, QUERY, required=True, lines=True)
    found.id("session_id", message.session_id, required=False)
    if not message.HasField("context"):
        return
    if message.session_id:
        found.add("context", "takes either session_id or context, not both")
    found.category("context.category", message.context.category)
    found.text("context.influencer_name", message.context.influencer_name, NAME)
    if found.count("context.history", len(message.context.history), HISTORY):
        for index, turn in enumerate(message.context.history):
            path = f"context.history[{index}]"
            found.text(f"{path}.query", turn.query, QUERY, required=True, lines=True)
            found.text(f"{path}.reply", turn.reply, REPLY, lines=True)


def _review(found: _Violations, message: generate_pb2.ReviewScriptRequest) -> None:
    found.text("text", message.text, REVIEWED, required=True, lines=True)
    found.category("category", message.category)
    _product(found, message.product)
    _style(found, "style", message.style)


def _cancel(found: _Violations, message: generate_pb2.CancelGenerationRequest) -> None:
    found.id("session_id", message.session_id)
    found.id("request_id", message.request_id)


def _adopt(found: _Violations, message: generate_pb2.AdoptScriptRequest) -> None:
    found.id("session_id", message.session_id)
    found.id("script_id", message.script_id)
    found.text("edited_content", message.edited_content, REVIEWED, lines=True)


def _create_session(found: _Violations, message: session_pb2.CreateSessionRequest) -> None:
    _influencer(found, message.influencer)
    found.category("category", message.category)
    _product(found, message.product)
    found.request_id("request_id", message.request_id)


def _update_session(found: _Violations, message: session_pb2.UpdateSessionRequest) -> None:
    found.id("session_id", message.session_id)
    _influencer(found, message.influencer)
    found.category("category", message.category)
    _product(found, message.product)
    unknown = [path for path in message.update_mask.paths if path not in MASK_PATHS]
    if unknown:
        found.add("update_mask", "takes paths of " + ", ".join(MASK_PATHS))
    found.at_least("expected_revision", message.expected_revision, 0)


def _session_id(found: _Violations, message: Any) -> None:
    found.id("session_id", message.session_id)


def _page(found: _Violations, message: Any) -> None:
    found.at_least("page_size", message.page_size, 0)
    found.text("page_token", message.page_token, TOKEN)


def _list_sessions(found: _Violations, message: session_pb2.ListSessionsRequest) -> None:
    _page(found, message)
    found.category("category", message.category)
    found.text("influencer_name", message.influencer_name, NAME)


def _list_checkpoints(found: _Violations, message: checkpoint_pb2.ListCheckpointsRequest) -> None:
    _session_id(found, message)
    _page(found, message)


def _get_checkpoint(found: _Violations, message: checkpoint_pb2.GetCheckpointRequest) -> None:
    _session_id(found, message)
    found.at_least("version", message.version, 1)


def _fork(found: _Violations, message: checkpoint_pb2.ForkSessionRequest) -> None:
    _session_id(found, message)
    found.at_least("version", message.version, 1)
    found.request_id("request_id", message.request_id)


def _nothing(found: _Violations, message: Any) -> None:
    """The request has no fields."""


_RULES: Final[dict[type, Callable[[_Violations, Any], None]]] = {
    session_pb2.CreateSessionRequest: _create_session,
    session_pb2.GetSessionRequest: _session_id,
    session_pb2.ListSessionsRequest: _list_sessions,
    session_pb2.UpdateSessionRequest: _update_session,
    session_pb2.DeleteSessionRequest: _session_id,
    generate_pb2.GenerateRequest: _generate,
    generate_pb2.GenerateStreamRequest: _generate_stream,
    generate_pb2.RecognizeIntentRequest: _recognize,
    generate_pb2.ReviewScriptRequest: _review,
    generate_pb2.ListSkillsRequest: _nothing,
    generate_pb2.CancelGenerationRequest: _cancel,
    generate_pb2.AdoptScriptRequest: _adopt,
    checkpoint_pb2.ListCheckpointsRequest: _list_checkpoints,
    checkpoint_pb2.GetLatestCheckpointRequest: _session_id,
    checkpoint_pb2.GetCheckpointRequest: _get_checkpoint,
    checkpoint_pb2.VerifyCheckpointsRequest: _session_id,
    checkpoint_pb2.ForkSessionRequest: _fork,
    status_pb2.GetStatusRequest: _nothing,
}
