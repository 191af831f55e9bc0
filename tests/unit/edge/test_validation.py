from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from scriptgen.rpc.validation import validate
from scriptgen.v1 import checkpoint_pb2, generate_pb2, session_pb2, status_pb2, types_pb2

SERVICES = [
    service
    for module in (checkpoint_pb2, generate_pb2, session_pb2, status_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
]
REQUESTS: list[Message] = [
    getattr(module, method.input_type.name)()
    for module in (checkpoint_pb2, generate_pb2, session_pb2, status_pb2)
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


def fields(message: Message) -> list[str]:
    return [violation.field for violation in validate(message)]


def generate(**wanted: Any) -> generate_pb2.GenerateRequest:
    return generate_pb2.GenerateRequest(**{"session_id": "s1", "query": "写一段", **wanted})


@pytest.mark.parametrize("message", REQUESTS, ids=lambda message: message.DESCRIPTOR.name)
def test_every_request_of_the_contract_has_rules(message: Message) -> None:
    required = {"session_id", "query", "text", "version", "script_id", "request_id"}
    found = set(fields(message))
    assert found <= required
    if "session_id" in message.DESCRIPTOR.fields_by_name and not isinstance(
        message, generate_pb2.RecognizeIntentRequest
    ):
        assert "session_id" in found


def test_a_message_without_rules_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError):
        validate(types_pb2.Product())


FULL = generate(
    request_id="r-00000001",
    trace_id="t",
    parameters={"temperature": 2, "top_p": 1, "max_tokens": 8192, "target_characters": 20},
    product={
        "product_id": "p",
        "name": "补水面膜",
        "brand": "某牌",
        "price": "39.9元",
        "selling_points": ["补水", "不粘\n不闷"],
        "facts": {"材质": "纯棉", "备注": ""},
    },
)


def test_a_full_request_is_good() -> None:
    assert fields(FULL) == []


@pytest.mark.parametrize(
    "query",
    [
        "一" * 4000,
        "😀" * 4000,
        "مرحبا",
        "第一行\n第二行\t缩进\r\n",
        "\u202eabc",
        "e\u0301",
        "👨‍👩‍👧",
        "'; DROP TABLE",
    ],
    ids=lambda query: repr(query)[:16],
)
def test_any_real_text_is_a_query(query: str) -> None:
    assert fields(generate(query=query)) == []


@pytest.mark.parametrize(
    "query", ["", "   ", "\n\t", "\u3000", "一" * 4001, "a\x00b", "a\x1bb", "a\x7f", "a\x85b"]
)
def test_an_empty_overlong_or_control_ridden_query_is_refused(query: str) -> None:
    assert fields(generate(query=query)) == ["query"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"session_id": ""}, "session_id"),
        ({"session_id": "s" * 129}, "session_id"),
        ({"session_id": "a}b"}, "session_id"),
        ({"session_id": "a b"}, "session_id"),
        ({"request_id": "1234567"}, "request_id"),
        ({"request_id": "x" * 129}, "request_id"),
        ({"request_id": "请求编号请求编号"}, "request_id"),
        ({"trace_id": "a b"}, "trace_id"),
        ({"parameters": {"temperature": -0.1}}, "parameters.temperature"),
        ({"parameters": {"temperature": float("nan")}}, "parameters.temperature"),
        ({"parameters": {"temperature": float("inf")}}, "parameters.temperature"),
        ({"parameters": {"top_p": 0}}, "parameters.top_p"),
        ({"parameters": {"top_p": float("nan")}}, "parameters.top_p"),
        ({"parameters": {"max_tokens": 0}}, "parameters.max_tokens"),
        ({"parameters": {"target_characters": 2001}}, "parameters.target_characters"),
        ({"product": {"name": "一" * 129}}, "product.name"),
        ({"product": {"name": "两\n行"}}, "product.name"),
        ({"product": {"selling_points": [""]}}, "product.selling_points[0]"),
        ({"product": {"selling_points": ["好", "一" * 201]}}, "product.selling_points[1]"),
        ({"product": {"selling_points": ["\x00"] * 21}}, "product.selling_points"),
        ({"product": {"facts": {"材质": "一" * 501}}}, 'product.facts["材质"]'),
        ({"product": {"facts": {"": "纯棉"}}}, 'product.facts[""]'),
        ({"product": {"facts": {"\x00": "纯棉"}}}, "product.facts"),
        ({"product": {"facts": {str(number): "" for number in range(51)}}}, "product.facts"),
    ],
    ids=repr,
)
def test_a_wrong_field_of_a_generation_is_named_by_its_path(wanted: dict[str, Any], field: str) -> None:
    assert fields(generate(**wanted)) == [field]


def test_a_stream_cannot_resume_before_its_beginning() -> None:
    message = generate_pb2.GenerateStreamRequest(session_id="s", query="q", resume_after_sequence=-1)
    assert fields(message) == ["resume_after_sequence"]


def test_all_wrong_fields_of_a_session_are_found_in_order() -> None:
    message = session_pb2.CreateSessionRequest(
        influencer={
            "name": "一" * 65,
            "style": {
                "formality": 1.1,
                "humor": -0.1,
                "interaction": float("nan"),
                "avg_sentence_length": 0.5,
                "catchphrases": ["家人们", "x" * 65],
            },
            "audience": "一" * 501,
            "sample_scripts": ["好"] * 11,
        },
        category="汽车",
        product={"price": "\x07"},
        request_id="!",
    )
    assert fields(message) == [
        "influencer.name",
        "influencer.style.catchphrases[1]",
        "influencer.style.formality",
        "influencer.style.humor",
        "influencer.style.interaction",
        "influencer.style.avg_sentence_length",
        "influencer.audience",
        "influencer.sample_scripts",
        "category",
        "product.price",
        "request_id",
    ]


def test_a_style_value_that_was_not_sent_is_not_checked() -> None:
    assert fields(session_pb2.CreateSessionRequest(influencer={"style": {"tone": "活泼"}})) == []


@pytest.mark.parametrize(("size", "good"), [(-1, False), (0, True), (50, True), (2_000_000, True)])
def test_only_a_negative_page_size_is_refused(size: int, good: bool) -> None:
    assert (fields(session_pb2.ListSessionsRequest(page_size=size)) == []) is good
    assert (fields(checkpoint_pb2.ListCheckpointsRequest(session_id="s", page_size=size)) == []) is good


def test_a_mask_names_known_fields_only() -> None:
    good = session_pb2.UpdateSessionRequest(
        session_id="s", update_mask=FieldMask(paths=["product", "category"])
    )
    bad = session_pb2.UpdateSessionRequest(session_id="s", update_mask=FieldMask(paths=["turns"]))
    assert fields(good) == []
    assert fields(bad) == ["update_mask"]
    assert fields(session_pb2.UpdateSessionRequest(session_id="s", expected_revision=-1)) == [
        "expected_revision"
    ]


def test_a_query_is_understood_with_a_session_or_with_a_context_not_with_both() -> None:
    context = generate_pb2.RecognizeIntentContext(
        category="美妆", history=[{"query": "写一段", "reply": "好"}]
    )
    assert fields(generate_pb2.RecognizeIntentRequest(query="q", context=context)) == []
    assert fields(generate_pb2.RecognizeIntentRequest(query="q", session_id="s")) == []
    assert fields(generate_pb2.RecognizeIntentRequest(query="q", session_id="s", context=context)) == [
        "context"
    ]
    broken = generate_pb2.RecognizeIntentContext(history=[{"query": "", "reply": "\x00"}])
    assert fields(generate_pb2.RecognizeIntentRequest(query="q", context=broken)) == [
        "context.history[0].query",
        "context.history[0].reply",
    ]


def test_a_review_takes_a_long_text_and_known_categories() -> None:
    assert fields(generate_pb2.ReviewScriptRequest(text="一" * 20000, category="食品")) == []
    assert fields(generate_pb2.ReviewScriptRequest(text="一" * 20001, category="汽车")) == [
        "text",
        "category",
    ]


@given(st.text(st.characters(codec="utf-8"), max_size=50))
def test_any_text_at_all_gives_a_verdict_and_never_an_error(text: str) -> None:
    message = generate(
        session_id=text,
        query=text,
        request_id=text,
        product={"name": text, "selling_points": [text], "facts": {text: text}},
    )
    for violation in validate(message):
        assert violation.description
        assert "\x00" not in violation.field
