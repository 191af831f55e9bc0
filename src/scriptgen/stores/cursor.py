"""Page cursors of session listings: the position of the last session seen, opaque to callers.

A position is not an offset, so sessions created or deleted meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

Position = tuple[int, str]
"""(create_time in µs, session_id): the order of listings, newest first."""

_decoder = msgspec.json.Decoder(Position)


def encode_cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position | None:
    """None for "", the start; ValueError for anything that is not one of ours."""
    if not cursor:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        position: Position = _decoder.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, msgspec.DecodeError) as error:
        raise ValueError("not a page cursor") from error
    if not -(2**63) <= position[0] < 2**63:
        raise ValueError("not a page cursor")
    return position
