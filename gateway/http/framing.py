"""Where a message ends: RFC 9112 §6.3 decided once, strictly, for both directions.

The problem: whoever can make two parties disagree about a body's length can hide a second request in it. The
rule: a length is stated in exactly one way, by one Content-Length of digits or by the one transfer coding
`chunked` on HTTP/1.1; anything else is refused, and the connection closes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.http.messages import CHUNKED, NO_BODY, UNTIL_CLOSE, Headers, Refused

_DIGITS: Final = re.compile(rb"[0-9]{1,15}")


def stated_length(headers: Headers, fields: Mapping[bytes, bytes], http11: bool) -> int | None:
    """The body length that the fields state, CHUNKED, or None when they state nothing.

    Raises:
        Refused: 400 for contradictions, 501 for a transfer coding we do not know (RFC 9112 section 6.1).
    """
    coding = fields.get(b"transfer-encoding")
    length = fields.get(b"content-length")
    if coding is None and length is None:
        return None
    if coding is not None and length is not None:
        raise Refused(400, "length_and_coding", "Content-Length and Transfer-Encoding exclude each other")
    if len(headers) != len(fields):
        _refuse_repeats(headers)
    if coding is not None:
        return _coding(coding, http11)
    if not _DIGITS.fullmatch(length or b""):
        raise Refused(400, "malformed_length", "Content-Length is a number of bytes, given once")
    return int(length or b"")


def _refuse_repeats(headers: Headers) -> None:
    names = [name for name, _ in headers if name in (b"content-length", b"transfer-encoding")]
    if len(names) != 1:
        raise Refused(400, "repeated_length", "a length is stated once (RFC 9112 section 6.3)")


def _coding(coding: bytes, http11: bool) -> int:
    if not http11:
        raise Refused(400, "coding_on_http10", "HTTP/1.0 has no transfer codings (RFC 9112 section 6.1)")
    if coding.lower() != b"chunked":
        raise Refused(501, "unknown_coding", "the only transfer coding understood here is chunked, alone")
    return CHUNKED


def response_length(stated: int | None, status: int) -> int:
    """Length of the body of an answer to anything but HEAD: by status first (RFC 9112 section 6.3, rules 1 and 8)."""
    if status == 204 or status == 304 or status < 200:
        return NO_BODY
    return UNTIL_CLOSE if stated is None else stated
