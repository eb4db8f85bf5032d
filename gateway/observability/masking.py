"""Values that people may see: what a client sent, without what it must keep to itself.

The problem: "the header had another value" does not help, and a value that is shown can be a key that opens
something. The rule: a value whose name speaks of secrets is shown by its length alone; any other is cut short.
Query strings are never shown: people put secrets there under any name.
"""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(r"auth|cookie|credential|key|passw|secret|session|signature|token", re.IGNORECASE)
LONGEST: Final = 80
"""Characters of a harmless value that are shown."""


def shown(name: str, value: str) -> str:
    """The value of a header or parameter `name`, fit to be read by whoever operates the gateway."""
    if _SECRET.search(name):
        return f"({len(value)} characters, masked)"
    return value if len(value) <= LONGEST else f"{value[:LONGEST]}…"
