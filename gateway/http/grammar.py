"""The grammar of an HTTP/1.1 message head, strict.

The problem: two parsers that read the same bytes differently are a request smuggling hole (RFC 9112 §11.2).
The rule: one regular expression per part of a head (its first line, its fields) *is* the grammar of RFC 9112. What
it does not match is refused:
bare CR or LF, obs-fold (§5.2), space before the colon (§5.1), NUL and control characters (RFC 9110 §5.5),
HTTP/0.9 and unknown versions. Nothing is repaired. Only then is the head split into fields.

The expressions use possessive quantifiers (`++`, `*+`), so matching is linear: it never backtracks.
Why not a C parser: docs/architecture.md, "The parser"; `tests/gateway/http/test_against_llhttp.py` compares them.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.http.messages import Headers, Refused

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_VALUE: Final = rb"[\t\x20-\x7e\x80-\xff]*+"
_FIELDS: Final = rb"((?:" + _TOKEN + rb":" + _VALUE + rb"\r\n)*+)\r\n"

REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e]++) HTTP/1\.([01])")
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: " + _VALUE + rb")?\r\n")
FIELDS: Final = re.compile(_FIELDS)
_FIELD: Final = re.compile(rb"([^:]++):([^\r]*+)\r\n")
_FIELD_LINE: Final = re.compile(rb"(" + _TOKEN + rb"):" + _VALUE)
_LIKE_A_REQUEST_LINE: Final = re.compile(rb"(" + _TOKEN + rb") ([^ ]++) HTTP/([0-9])\.([0-9])")

END_OF_HEAD: Final = b"\r\n\r\n"


def split_fields(block: bytes) -> Headers:
    """Fields of a block that the grammar has matched: lower-case names, values without outer white space."""
    return tuple([(name.lower(), value.strip(b" \t")) for name, value in _FIELD.findall(block)])


def diagnose_request(head: bytes) -> Refused:
    """Say what is wrong with a head that the grammar did not match."""
    lines = head.split(b"\r\n")
    line = _LIKE_A_REQUEST_LINE.fullmatch(lines[0])
    if b"\n" in lines[0] or b"\r" in lines[0]:
        return Refused(400, "bare_cr_or_lf", "a line ends with CR LF, both of them (RFC 9112 section 2.2)")
    if line is None:
        return Refused(400, "malformed_request_line", "expected: method, target, HTTP/1.1 (RFC 9112 section 3)")
    if line[3] != b"1" or line[4] not in (b"0", b"1"):
        return Refused(505, "unsupported_version", "this listener speaks HTTP/1.1 and HTTP/1.0")
    for previous, field in enumerate(lines[1:]):
        if field and not _FIELD_LINE.fullmatch(field):
            return diagnose_field(field, first=previous == 0)
    return Refused(400, "malformed_target", "the target holds a character that must be percent-encoded")


def diagnose_field(line: bytes, first: bool = False) -> Refused:
    """Say what is wrong with one field line (RFC 9112 section 5)."""
    name, colon, value = line.partition(b":")
    if b"\n" in line or b"\r" in line:
        return Refused(400, "bare_cr_or_lf", "a line ends with CR LF, both of them (RFC 9112 section 2.2)")
    if line[:1] in b" \t" and not first:
        return Refused(400, "obs_fold", "a field may not go on in the next line (RFC 9112 section 5.2)")
    if not colon:
        return Refused(400, "malformed_field", "a field is a name, a colon and a value")
    if name != name.rstrip(b" \t"):
        return Refused(400, "space_before_colon", "no white space before the colon (RFC 9112 section 5.1)")
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
        return Refused(400, "control_character", "a field value holds a control character (RFC 9110 section 5.5)")
    return Refused(400, "malformed_field_name", "a field name is a token (RFC 9110 section 5.1)")
