"""Log lines: text or JSON, one line a record, with the trace id of the running call.

Ids and sizes only; an exception's own words may quote a request, so they are left out unless content is
allowed. Control characters are escaped, so that no value can forge a line. Structured values travel in
`extra={"fields": {...}}`.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, Literal, TextIO

ROOT = "scriptgen"
#: C0, DEL, C1, line and paragraph separators, and the direction overrides that make text read as another.
_UNSAFE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
#: gRPC's words for a batch of nothing but writes that its core refused.
_FAILED_WRITE = re.compile(
    r'Failed "execute_batch": \((?:<[\w.]*\.Send\w+Operation object at \w+>(?:, |,)?)+\)'
)


def configure_logging(
    level: str = "INFO",
    style: Literal["text", "json"] = "text",
    *,
    content: bool = False,
    trace_id: Callable[[], str] = str,
    stream: TextIO | None = None,
) -> logging.Handler:
    """Set up this process's logging and return the handler. `trace_id` tells the running call's id.

    Other libraries are heard from WARNING on: the model client logs prompts below that.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(_worth_a_line)
    handler.setFormatter((JsonFormatter if style == "json" else TextFormatter)(trace_id, content=content))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(ROOT).setLevel(level)
    logging.captureWarnings(capture=True)
    return handler


def escape(text: str) -> str:
    """`text` without anything that could break out of its line."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def _worth_a_line(record: logging.LogRecord) -> bool:
    """All but gRPC's tracebacks of writes to clients that left: every dropped connection with a stream on it
    gives one, and the call is in the access log. What fails otherwise inside of gRPC is told.
    """
    error = record.exc_info[1] if record.exc_info else None
    return not (
        record.name == "grpc._cython.cygrpc"
        and type(error).__name__ == "ExecuteBatchError"
        and _FAILED_WRITE.fullmatch(str(error)) is not None
    )


class _LineFormatter(logging.Formatter):
    def __init__(self, trace_id: Callable[[], str], *, content: bool) -> None:
        super().__init__()
        self._trace_id = trace_id
        self._content = content

    def _values(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        trace_id = self._trace_id()
        if trace_id:
            fields["trace_id"] = trace_id
        fields.update(getattr(record, "fields", {}))
        return {
            key: escape(value) if isinstance(value, str) else value
            for key, value in fields.items()
            if value not in ("", None)
        }

    def _trace(self, record: logging.LogRecord) -> list[str]:
        error = record.exc_info[1] if record.exc_info else None
        return [escape(line) for line in _describe(error, content=self._content)] if error else []


class TextFormatter(_LineFormatter):
    """`2026-01-02T03:04:05.678Z INFO scriptgen.access rpc method=… code=OK`; tracebacks follow, indented."""

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_time(record)} {record.levelname} {record.name} {escape(record.getMessage())}"
        pairs = (
            f"{key}={_quoted(value) if isinstance(value, str) else value}"
            for key, value in self._values(record).items()
        )
        return "\n    ".join([" ".join([head, *pairs]), *self._trace(record)])


class JsonFormatter(_LineFormatter):
    """One object a line: time, level, logger, message, the fields, and `traceback` as a list."""

    def format(self, record: logging.LogRecord) -> str:
        trace = self._trace(record)
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": escape(record.getMessage()),
            **self._values(record),
            **({"traceback": trace} if trace else {}),
        }
        return json.dumps(line, ensure_ascii=False, default=str)


def _describe(error: BaseException, *, content: bool) -> Iterator[str]:
    """The chain of exceptions, innermost cause first, each with where it came through. Words of OSErrors are
    shown always: they name addresses and files, never requests.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _describe(cause, content=content)
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"{frame.filename}:{frame.lineno} in {frame.name}"
    words = f": {error}" if content or isinstance(error, OSError) else ""
    yield f"{type(error).__module__}.{type(error).__qualname__}{words}"


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[\s"=]', value) else value
