"""The kinds of values that settings take, each checked and described in words.

Not responsible for which settings exist (`sections`) or how they go together (`checks`).
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode

#: Algorithm families of RFC 7518; keys of two families never verify tokens of one service.
JWT_FAMILIES = {
    "HS": ("HS256", "HS384", "HS512"),
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "EdDSA": ("EdDSA",),
}


def split_listen(address: str) -> tuple[str, int]:
    """`host:port` → (host, port); a `unix:` address → (address, -1). Raises ValueError for anything else."""
    if address.startswith("unix:"):
        if len(address) == len("unix:"):
            raise ValueError(address)
        return address, -1
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(address)
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(address: str) -> bool:
    """Whether a listen address is reachable from this machine only."""
    host, port = split_listen(address)
    if port == -1 or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(value: str) -> str:
    if value:
        split_listen(value)
    return value


def _tcp_listen(value: str) -> str:
    if value and split_listen(value)[1] == -1:
        raise ValueError(value)
    return value


def _http_url(value: str) -> str:
    if value and not re.fullmatch(r"https?://[^\s/]+\S*", value):
        raise ValueError(value)
    return value.rstrip("/")


def _redis_url(value: str) -> str:
    if not re.fullmatch(r"(redis|rediss|unix|sentinel|cluster|redis\+\w+|rediss\+\w+)://\S+", value):
        raise ValueError("not a Redis URL")
    return value


def _string_map(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    decoded = json.loads(value)
    if not isinstance(decoded, dict) or not all(isinstance(item, str) for item in decoded.values()):
        raise ValueError("not a JSON object of strings")
    return decoded


def _comma_list(value: Any) -> Any:
    return (
        tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value
    )


def _algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    known = {name for family in JWT_FAMILIES.values() for name in family}
    if not set(value) <= known:
        raise ValueError("unknown algorithm")
    return value


class Takes:
    """What a setting accepts, in words: for the error line and the documentation."""

    def __init__(self, words: str) -> None:
        self.words = words


Listen = Annotated[str, AfterValidator(_listen), Takes("`host:port`, `[ipv6]:port` or `unix:path`")]
TcpListen = Annotated[str, AfterValidator(_tcp_listen), Takes("`host:port`, or empty to turn it off")]
HttpUrl = Annotated[str, AfterValidator(_http_url), Takes("an http:// or https:// URL")]
RedisUrl = Annotated[
    SecretStr,
    AfterValidator(lambda secret: SecretStr(_redis_url(secret.get_secret_value()))),
    Takes("a Redis URL such as redis://host:6379/0 (also rediss:// and unix://)"),
]
StringMap = Annotated[
    dict[str, str],
    NoDecode,
    BeforeValidator(_string_map),
    Takes('a JSON object of strings, {"美妆": "name"}'),
]
Algorithms = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_comma_list),
    AfterValidator(_algorithms),
    Takes("a comma-separated list of HS256…HS512, RS256…RS512, PS256…PS512, ES256…ES512, EdDSA"),
]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Timeout = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
CountOrOff = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Secret = Annotated[SecretStr, Takes("a text, never shown")]


def takes(info: FieldInfo) -> str:
    """What a setting accepts, in words."""
    annotation = info.annotation
    if type(None) in get_args(annotation):
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    for item in info.metadata:
        if isinstance(item, Takes):
            return item.words
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in get_args(annotation))
    if annotation is bool:
        return "`true` or `false`"
    words = "an integer" if annotation is int else "a number" if annotation is float else "a text"
    signs = {"ge": "≥", "gt": ">", "le": "≤"}
    bounds = [
        f"{sign} {getattr(item, name):g}"
        if abs(getattr(item, name)) < 1e6
        else f"{sign} {getattr(item, name)}"
        for item in info.metadata
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    return " ".join([words, " and ".join(bounds)]).strip()
