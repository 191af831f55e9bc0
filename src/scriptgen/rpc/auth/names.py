"""What tenant and user ids may look like, wherever they come from."""

from __future__ import annotations

import re
from typing import Final

#: Part of storage keys and Redis hash tags, so no braces, colons or spaces.
TENANT_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
USER_ID: Final = re.compile(r"[A-Za-z0-9._:@+-]{1,128}")
