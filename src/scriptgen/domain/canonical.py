"""Canonical JSON: one byte string for one value, the base of checksums and fingerprints.

Keys are sorted, no insignificant white space, UTF-8. Structs are encoded by their fields.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_encoder = msgspec.json.Encoder(order="sorted")
_building = threading.Lock()
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def canonical_json(value: object) -> bytes:
    return _encoder.encode(value)


def from_json(data: bytes | str, kind: type[T]) -> T:
    """Decode and validate; raises `msgspec.ValidationError` when the data does not have the type's shape."""
    decoder = _decoders.get(kind)
    if decoder is None:
        # Two threads that build decoders of one type at once crash the interpreter (msgspec 0.22).
        with _building:
            decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    decoded: T = decoder.decode(data)
    return decoded


def sha256_hex(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
