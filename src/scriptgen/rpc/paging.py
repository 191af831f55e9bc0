"""Page sizes and the tokens of numbered listings, as the contract promises them."""

from __future__ import annotations

import base64
import binascii

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000
_PREFIX = b"v1:"


def page_size(requested: int) -> int:
    """0 means the default; more than the maximum means the maximum. Negative is refused by validation."""
    return min(requested or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def version_token(version: int) -> str:
    return base64.urlsafe_b64encode(_PREFIX + str(version).encode()).decode()


def version_of(token: str) -> int | None:
    """The version a token stands for, None for an empty one; ValueError when it is not one of ours."""
    if not token:
        return None
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not a page token") from error
    if not raw.startswith(_PREFIX) or not raw[len(_PREFIX) :].isdigit():
        raise ValueError("not a page token")
    return int(raw[len(_PREFIX) :])
