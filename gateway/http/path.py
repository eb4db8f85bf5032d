r"""One canonical path: what is matched is what is authorised is what is forwarded.

The problem: if gateway and service read `/orders/%2e%2e/admin`, `//admin` or `/admin%2f` differently, a rule for
one path guards another (OWASP API5, CWE-22). The rule, our declared choice:

- percent-encoded unreserved characters are decoded, other escapes are written in upper case (RFC 3986 §6.2.2);
- encoded slashes and backslashes, backslashes, NUL and other control characters, empty segments (`//`) and dot
  segments, however encoded, are refused with 400. Honest clients remove dot segments before they send.

Nothing is merged or resolved: a path that needs interpretation does not pass.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.http.messages import Refused

# Segments of plain characters that do not begin with a dot: nearly every path, in one C call (0.2 µs).
_PLAIN: Final = re.compile(rb"(?:/[A-Za-z0-9_~!$&'()*+,;=:@-][A-Za-z0-9._~!$&'()*+,;=:@-]*+)*+/?")
_ALLOWED: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@/%-]*+")
_ESCAPE: Final = re.compile(rb"%(..?)?", re.DOTALL)
_UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_QUERY: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:@/?%\[\]{}|\"<>^`-]*+")


def canonical_path(raw: bytes) -> str:
    """The one form of a path that everything after this sees.

    Raises:
        Refused: 400 with a reason, see the module's text.
    """
    if _PLAIN.fullmatch(raw) and raw:
        return raw.decode("ascii")
    return _canonical_slow(raw)


def _canonical_slow(raw: bytes) -> str:
    if not raw.startswith(b"/"):
        raise Refused(400, "malformed_target", "a path begins with a slash (RFC 9112 section 3.2.1)")
    if b"\\" in raw:
        raise Refused(400, "path_backslash", "a backslash is read as a slash by some servers; encode nothing as it")
    if not _ALLOWED.fullmatch(raw):
        raise Refused(400, "malformed_target", "the path holds a character that must be percent-encoded")
    path = _ESCAPE.sub(_unescape, raw)
    segments = path.split(b"/")[1:]
    if b"" in segments[:-1]:
        raise Refused(400, "path_empty_segment", "'//' in a path is read differently by different servers")
    if any(segment.split(b";")[0] in (b".", b"..") for segment in segments):
        raise Refused(400, "path_dot_segment", "resolve '.' and '..' before you send (RFC 3986 section 5.2.4)")
    return path.decode("ascii")


def _unescape(match: re.Match[bytes]) -> bytes:
    """Decode one escape if its character needs none; refuse those that change how a path is split."""
    try:
        octet = int(match[1] or b"", 16) if len(match[1] or b"") == 2 and match[1].isalnum() else -1
    except ValueError:
        octet = -1
    if octet < 0:
        raise Refused(400, "path_bad_escape", "'%' is followed by two hexadecimal digits (RFC 3986 section 2.1)")
    if octet in (0x2F, 0x5C):
        raise Refused(400, "path_encoded_slash", "an encoded slash or backslash may be split by the service")
    if octet < 0x20 or octet == 0x7F:
        raise Refused(400, "path_control_character", "an encoded control character has no use in a path")
    return bytes([octet]) if octet in _UNRESERVED else b"%%%02X" % octet


def split_target(target: bytes) -> tuple[bytes, str]:
    """Path and query of an origin-form target; the query is passed on as it came, if its characters may stand.

    Raises:
        Refused: a fragment or other character that has no place there (RFC 9112 section 3.2).
    """
    path, _, query = target.partition(b"?")
    if query and not _QUERY.fullmatch(query):
        raise Refused(400, "malformed_target", "the query holds a character that must be percent-encoded")
    return path, query.decode("ascii")
