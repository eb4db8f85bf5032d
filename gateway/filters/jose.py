"""Reading a JWT strictly, before any key is touched (RFC 7515, RFC 7519, RFC 8725).

The problem: the classic attacks all make the verifier believe something the token says about itself: its
algorithm, its key, where its key is. The rule: the header may only name a `kid`; the key decides the algorithm;
`none`, `crit`, `jwk`, `jku`, `x5u`, `x5c`, other types and base64url that is not canonical are refused.
"""

from __future__ import annotations

import binascii
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

MAX_TOKEN: Final = 8_192
LONGEST_HEADER: Final = 512
"""Bytes of a token's header that is remembered."""

# Canonical base64url: the same bytes have one spelling only (RFC 7515 section 2). There is no padding, and the bits of
# the last character that stand for nothing are zero (RFC 4648 section 3.5), which leaves it four or sixteen choices.
# The longer end stands first: what is possessive tries no second choice.
_PART: Final = rb"((?=[^.])(?:[A-Za-z0-9_-]{4})*+(?:[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]|[A-Za-z0-9_-][AQgw])?+)"
_COMPACT: Final = re.compile(_PART + rb"\." + _PART + rb"\." + _PART)
_TO_BASE64: Final = bytes.maketrans(b"-_", b"+/")
_FROM_TOKEN: Final = ("jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256")
_TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")


class BadToken(Exception):
    """A token that is refused: the stable reason, and a detail that is safe to tell its bearer."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Unverified:
    """A token whose form is right and whose content nobody believes yet."""

    kid: str
    signed: bytes
    """What the signature covers: header, dot, payload, as sent (RFC 7515 section 5.2)."""
    signature: bytes
    encoded_payload: bytes

    def claims(self) -> dict[str, Any]:
        """What the token says: to be asked for only when its signature fits.

        Raises:
            BadToken: it is no JSON object.
        """
        return read_object(decode(self.encoded_payload), "payload")


def read_token(token: bytes, algorithms: tuple[str, ...]) -> Unverified:
    """A compact JWS with a checked header.

    Raises:
        BadToken: anything that a verifier must not even consider.
    """
    match = _compact(token)
    header, payload, signature = match.groups()
    kid = (_read_header if len(header) <= LONGEST_HEADER else _read_header.__wrapped__)(header, algorithms)
    return Unverified(kid, token[: match.end(2)], decode(signature), payload)


@lru_cache(maxsize=128)
def _read_header(part: bytes, algorithms: tuple[str, ...]) -> str:
    """The `kid` of a checked header. All tokens of a key have the same, so the latest are remembered (3 µs a token)."""
    header = read_object(decode(part), "header")
    _check_header(header, algorithms)
    return str(header["kid"])


def read_parts(token: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, payload, what is signed and the signature of a compact JWS, of which only the form is checked.

    Raises:
        BadToken: its form is wrong.
    """
    match = _compact(token)
    header, payload, signature = (decode(part) for part in match.groups())
    return read_object(header, "header"), read_object(payload, "payload"), token[: match.end(2)], signature


def _compact(token: bytes) -> re.Match[bytes]:
    match = _COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if match is None:
        raise BadToken("jwt_malformed", "not a compact JWS: three parts of canonical base64url")
    return match


def issuer_of(token: bytes) -> str:
    """What a token says of its issuer. Nothing is verified: it only tells whose keys to try.

    Raises:
        BadToken: it says nothing that could be read.
    """
    issuer = read_object(decode(_compact(token)[2]), "payload").get("iss")
    if not isinstance(issuer, str):
        raise BadToken("jwt_claim_missing", "the token lacks a required claim (iss)")
    return issuer


def read_object(document: bytes, name: str) -> dict[str, Any]:
    """A JSON object without duplicate members.

    Raises:
        BadToken: it is something else.
    """
    try:
        found = _DECODER.decode(document.decode("utf-8"))
    except (ValueError, RecursionError):
        raise BadToken("jwt_malformed", f"the {name} is not a JSON object") from None
    if not isinstance(found, dict):
        raise BadToken("jwt_malformed", f"the {name} is not a JSON object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")  # Python would read NaN and Infinity


def _check_header(header: dict[str, Any], algorithms: tuple[str, ...]) -> None:
    if header.get("alg") not in algorithms:
        raise BadToken("jwt_algorithm", "the algorithm is not among those this issuer signs with")
    named = [name for name in _FROM_TOKEN if name in header]
    if named:
        raise BadToken("jwt_key_in_header", f"a token may not bring its own key ({named[0]})")
    if "crit" in header or "b64" in header:
        raise BadToken("jwt_crit", "no critical header extension is understood here (RFC 7515 section 4.1.11)")
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES:
        raise BadToken("jwt_type", "this type of token is not an access token")
    if not isinstance(header.get("kid"), str):
        raise BadToken("jwt_key_unknown", "the token names no key")


def decode(part: bytes) -> bytes:
    """The bytes of a part that has the form above."""
    return binascii.a2b_base64(part.translate(_TO_BASE64) + b"=" * (-len(part) % 4))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadToken("jwt_malformed", "a member occurs twice (RFC 7515 section 4)")
    return found


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
