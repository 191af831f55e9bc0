"""Redis key names of the coordination room. All keys that one script touches share one hash tag.

Not responsible for the stores' keys, which have prefixes of their own.
"""

from __future__ import annotations

from urllib.parse import quote

from scriptgen.domain.session import SessionKey

LOCK_WAKE_CHANNEL = "scriptgen:lock:wake"
CANCEL_CHANNEL = "scriptgen:cancel"


def session_tag(key: SessionKey) -> str:
    """`{tenant:session}` with both parts percent-encoded, so no tenant can spell another's key or slot."""
    return f"{{{quote(key.tenant_id, safe='')}:{quote(key.session_id, safe='')}}}"


def tenant_tag(tenant_id: str) -> str:
    """`{tenant}`, percent-encoded as in `session_tag`."""
    return f"{{{quote(tenant_id, safe='')}}}"


def lock_keys(tag: str) -> tuple[str, str]:
    """The lock itself and the place of the waiter that is next."""
    return f"scriptgen:lock:{tag}", f"scriptgen:lock:{tag}:next"


def limit_keys(tag: str) -> tuple[str, str]:
    """A tenant's arrival times with their log, and its live leases by expiry."""
    return f"scriptgen:limit:{tag}", f"scriptgen:limit:{tag}:leases"
