"""What authority and workloads say to each other: one JSON object a line, over TLS."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

LONGEST: Final = 65_536
"""Bytes of a line."""


class BadLine(Exception):
    """What came is no message of ours."""


async def read_line(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None at the end.

    Raises:
        BadLine: too long, no JSON, or no object.
    """
    try:
        line = await reader.readline()
        message = json.loads(line) if line else None
    except ValueError as error:  # a line that is too long is one, too
        raise BadLine(str(error)) from None
    if message is not None and not isinstance(message, dict):
        raise BadLine("expected an object")
    return message


def as_line(message: dict[str, Any]) -> bytes:
    """Ready to be sent."""
    return json.dumps(message).encode() + b"\n"
