"""Settings as people read them: the documentation's tables and values with secrets masked."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from .kinds import takes
from .sections import SECTIONS


def reference() -> str:
    """The Markdown tables of docs/configuration.md, one per section; a test holds the file to it."""
    blocks = []
    for section in SECTIONS:
        rows = [
            f"| `{name.upper()}` | {_default(info)} | {takes(info)} | {info.description} |"
            for name, info in section.model_fields.items()
        ]
        head = (
            f"## {section.__doc__}\n\n| variable | default | takes | meaning |\n| --- | --- | --- | --- |\n"
        )
        blocks.append(head + "\n".join(rows) + "\n")
    return "\n".join(blocks)


def shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        return _without_password(text) if "://" in text else "***" if text else ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else _without_password(str(value))


def _without_password(url: str) -> str:
    """A URL without its user part and credentials in its query; any other text as it is."""
    url = re.sub(r"(://).*@", r"\1***@", url)
    return re.sub(r"([?&](?:username|password)=)[^&]*", r"\1***", url)


def _default(info: FieldInfo) -> str:
    value = info.default
    text = value.get_secret_value() if isinstance(value, SecretStr) else shown(value)
    return f"`{text}`" if text not in {"", "{}"} else ""
