from __future__ import annotations

import importlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from scriptgen.log import configure_logging, escape

ExecuteBatchError: type[Exception] = importlib.import_module("grpc._cython.cygrpc").ExecuteBatchError
FORGED = "a\nINFO scriptgen.access rpc code=OK\x1b[31m\u2028\u202e\x85"


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("scriptgen")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], level, own = before
    root.setLevel(level)
    ours.setLevel(own)
    logging.captureWarnings(capture=False)


def lines_of(style: Any, **options: Any) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    configure_logging("INFO", style, stream=stream, **options)
    return logging.getLogger("scriptgen.test"), stream


def test_a_text_line_holds_time_level_name_message_and_fields() -> None:
    logger, stream = lines_of("text", trace_id=lambda: "t-1")
    logger.info("rpc", extra={"fields": {"code": "OK", "seconds": 0.5, "empty": "", "words": "two words"}})
    line = stream.getvalue()
    assert line.endswith(' INFO scriptgen.test rpc trace_id=t-1 code=OK seconds=0.5 words="two words"\n')
    assert line[:2] == "20"


def test_a_json_line_is_one_object() -> None:
    logger, stream = lines_of("json", trace_id=lambda: "t-1")
    logger.warning("规则 %s", "读取", extra={"fields": {"count": 3}})
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    assert (record["level"], record["message"], record["trace_id"], record["count"]) == (
        "WARNING",
        "规则 读取",
        "t-1",
        3,
    )


@pytest.mark.parametrize("style", ["text", "json"])
def test_no_value_can_forge_a_line(style: str) -> None:
    logger, stream = lines_of(style, trace_id=lambda: FORGED)
    logger.info("got %s", FORGED, extra={"fields": {"peer": FORGED}})
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert not set(text.rstrip("\n")) & set("\x1b\u2028\u202e\x85")


@pytest.mark.parametrize("style", ["text", "json"])
def test_words_of_an_exception_are_kept_back_unless_content_is_allowed(style: str) -> None:
    for content in (False, True):
        logger, stream = lines_of(style, content=content)
        try:
            _fail_twice()
        except ValueError:
            logger.exception("unexpected error")
        text = stream.getvalue()
        assert ("绝密话术" in text and "also secret" in text) is content
        assert "builtins.KeyError" in text
        assert "builtins.ValueError" in text
        assert "test_log.py:" in text, "where it happened"


def _fail_twice() -> None:
    nothing: dict[str, str] = {}
    try:
        nothing["绝密话术"]
    except KeyError as error:
        raise ValueError("also secret") from error


def test_words_of_a_system_error_are_shown() -> None:
    logger, stream = lines_of("text")
    try:
        raise ConnectionRefusedError(111, "Connect call failed")
    except OSError:
        logger.exception("upstream")
    assert "Connect call failed" in stream.getvalue()


def test_other_libraries_are_heard_from_warning_on() -> None:
    _, stream = lines_of("text")
    logging.getLogger("openai").info("prompt: 绝密")
    logging.getLogger("openai").warning("retrying")
    assert "绝密" not in stream.getvalue()
    assert "retrying" in stream.getvalue()


def test_our_level_is_the_configured_one() -> None:
    stream = io.StringIO()
    configure_logging("WARNING", "text", stream=stream)
    logging.getLogger("scriptgen.test").info("hidden")
    logging.getLogger("scriptgen.test").warning("shown")
    assert "hidden" not in stream.getvalue()
    assert "shown" in stream.getvalue()


def test_setting_up_again_does_not_double_lines() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    configure_logging(stream=stream)
    logging.getLogger("scriptgen.test").info("once")
    assert stream.getvalue().count("once") == 1


def test_plain_text_stays_as_it_is() -> None:
    assert escape("家人们，晚上好！😀 naïve") == "家人们，晚上好！😀 naïve"
    assert escape("a\x00b\nc") == "a\\x00b\\nc"


def logged_by_grpc(error: Exception, logger: str = "grpc._cython.cygrpc") -> str:
    _, stream = lines_of("text")
    try:
        raise error
    except type(error):
        logging.getLogger(logger).exception("ExecuteBatchError raised in core by servicer method [/a/B]")
    return stream.getvalue()


SEND = "<grpc._cython.cygrpc.SendMessageOperation object at 0x7f81242fc5b0>"
STATUS = "<grpc._cython.cygrpc.SendStatusFromServerOperation object at 0x7f81242fc5b0>"
RECEIVE = "<grpc._cython.cygrpc.ReceiveMessageOperation object at 0x7f81242fc5b0>"


@pytest.mark.parametrize("batch", [f"({SEND},)", f"({SEND}, {STATUS})"])
def test_a_write_to_a_client_that_left_is_not_told(batch: str) -> None:
    assert logged_by_grpc(ExecuteBatchError(f'Failed "execute_batch": {batch}')) == ""


@pytest.mark.parametrize(
    ("error", "logger"),
    [
        (ExecuteBatchError(f'Failed "execute_batch": ({RECEIVE},)'), "grpc._cython.cygrpc"),
        (ExecuteBatchError(f'Failed "execute_batch": ({SEND}, {RECEIVE})'), "grpc._cython.cygrpc"),
        (ExecuteBatchError("out of memory"), "grpc._cython.cygrpc"),
        (RuntimeError(f'Failed "execute_batch": ({SEND},)'), "grpc._cython.cygrpc"),
        (ExecuteBatchError(f'Failed "execute_batch": ({SEND},)'), "scriptgen.errors"),
    ],
)
def test_whatever_else_fails_inside_of_grpc_is_told(error: Exception, logger: str) -> None:
    assert "raised in core" in logged_by_grpc(error, logger)
