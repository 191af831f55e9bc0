"""Domain objects from protobuf messages. Validated input is assumed: nothing fails here on a message that
passed validation.py.
"""

from __future__ import annotations

import secrets

from scriptgen.domain.canonical import canonical_json, sha256_hex
from scriptgen.domain.conversation import ConversationContext, HistoryTurn
from scriptgen.domain.generation import (
    GenerationParameters,
    GenerationRequest,
)
from scriptgen.domain.identity import Principal
from scriptgen.domain.session import (
    Influencer,
    Product,
    SessionKey,
    Style,
)
from scriptgen.v1 import generate_pb2, types_pb2


def influencer(message: types_pb2.Influencer) -> Influencer:
    return Influencer(
        influencer_id=message.influencer_id,
        name=message.name,
        platform=message.platform,
        style=style(message.style),
        audience=message.audience,
        sample_scripts=tuple(message.sample_scripts),
    )


def style(message: types_pb2.Style) -> Style:
    return Style(
        tone=message.tone,
        formality=message.formality if message.HasField("formality") else None,
        catchphrases=tuple(message.catchphrases),
        humor=message.humor if message.HasField("humor") else None,
        avg_sentence_length=message.avg_sentence_length if message.HasField("avg_sentence_length") else None,
        interaction=message.interaction if message.HasField("interaction") else None,
    )


def product(message: types_pb2.Product) -> Product:
    return Product(
        product_id=message.product_id,
        name=message.name,
        brand=message.brand,
        price=message.price,
        selling_points=tuple(message.selling_points),
        facts=dict(message.facts),
    )


def parameters(message: generate_pb2.GenerationParameters) -> GenerationParameters:
    return GenerationParameters(
        temperature=message.temperature if message.HasField("temperature") else None,
        top_p=message.top_p if message.HasField("top_p") else None,
        max_tokens=message.max_tokens if message.HasField("max_tokens") else None,
        target_characters=message.target_characters if message.HasField("target_characters") else None,
    )


def generation_request(
    message: generate_pb2.GenerateRequest | generate_pb2.GenerateStreamRequest,
    principal: Principal,
    *,
    trace_id: str,
    trace_id_given: bool,
    deduplicate: bool,
) -> GenerationRequest:
    """The domain request. `trace_id_given` is true when the caller sent a trace id of its own choice
    (`x-trace-id` or the field); together with the content it then stands in for a missing request_id.
    """
    key = SessionKey(principal.tenant_id, message.session_id)
    wanted = parameters(message.parameters)
    override = product(message.product) if message.HasField("product") else None
    request_id = message.request_id
    if not request_id and deduplicate and trace_id_given:
        # Content is part of it: one trace may rightly hold several different requests.
        content = sha256_hex(canonical_json((message.query, wanted, override)))
        request_id = f"trace-{sha256_hex(trace_id.encode())[:16]}-{content[:16]}"
    known = bool(request_id)
    return GenerationRequest(
        key=key,
        user_id=principal.user_id,
        query=message.query,
        request_id=request_id or f"req-{secrets.token_hex(12)}",
        trace_id=trace_id,
        parameters=wanted,
        product=override,
        explicit_id=bool(message.request_id),
        deduplicate=known,
    )


def conversation(message: generate_pb2.RecognizeIntentContext) -> ConversationContext:
    return ConversationContext(
        category=message.category,
        influencer_name=message.influencer_name,
        history=tuple(
            HistoryTurn(turn_index=index, query=turn.query, reply=turn.reply)
            for index, turn in enumerate(message.history)
        ),
    )
