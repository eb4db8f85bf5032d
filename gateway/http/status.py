"""Status lines, rendered once, and the titles that local replies carry."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

TITLES: Final[dict[int, str]] = {status.value: status.phrase for status in HTTPStatus}
_LINES: Final[dict[int, bytes]] = {
    code: f"HTTP/1.1 {code} {phrase}\r\n".encode("ascii") for code, phrase in TITLES.items()
}


def status_line(status: int) -> bytes:
    """The status line of an answer; codes without a registered phrase get an empty one (RFC 9112 section 4)."""
    return _LINES.get(status) or b"HTTP/1.1 %d \r\n" % status
