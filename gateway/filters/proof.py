"""A DPoP proof: what it must say, and that its key signed it (RFC 9449 section 4.3).

The problem: a proof brings its own key, which elsewhere is refused for good reason. The rule: the key counts only
because the *token* names its thumbprint (RFC 7638); that is compared before anything is verified. The proof must be for
this method, this address and this token, and made just now; everything else is refused with a reason.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.filters.jose import BadToken, read_parts
from gateway.filters.provider import MIN_RSA_BITS
from gateway.http.messages import Refused, Request
from gateway.http.path import canonical_path

ALGORITHMS: Final = ("ES256", "EdDSA", "PS256", "RS256")
AHEAD: Final = 10.0
"""Seconds that a client's clock may be ahead of ours."""
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_PRIVATE: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


def thumbprint(jwk: Any) -> str:
    """The SHA-256 thumbprint of a public key (RFC 7638).

    Raises:
        BadToken: it is none, or not only public.
    """
    members = _MEMBERS.get(jwk.get("kty", "")) if isinstance(jwk, dict) and isinstance(jwk.get("kty"), str) else None
    if members is None or _PRIVATE & jwk.keys() or not all(isinstance(jwk.get(name), str) for name in members):
        raise BadToken("dpop_invalid", "the proof's header brings no public key (jwk)")
    document = json.dumps({name: jwk[name] for name in members}, separators=(",", ":"), sort_keys=True)
    return urlsafe_b64encode(hashlib.sha256(document.encode()).digest()).rstrip(b"=").decode()


def check_proof(sent: bytes, request: Request, base: str, token: bytes, key: str, now: float, max_age: float) -> bytes:
    """What tells a proof from others, if it is good for this request; whether it was used before is for the caller.

    Args:
        base: scheme and authority by which clients call us, like `https://api.shop.example`.
        token: the access token that came along.
        key: the thumbprint that the token names.

    Raises:
        BadToken: with the first reason that holds.
    """
    try:
        header, said, signed, signature = read_parts(sent)
    except BadToken as bad:
        raise BadToken("dpop_invalid", f"the proof is {bad.detail}") from None
    if header.get("typ") != "dpop+jwt" or header.get("alg") not in ALGORITHMS or "crit" in header:
        raise BadToken("dpop_invalid", f"the proof has type dpop+jwt and one of {', '.join(ALGORITHMS)}")
    if not hmac.compare_digest(thumbprint(header.get("jwk")), key):
        raise BadToken("dpop_invalid", "the proof is made with another key than the token's")
    _check_said(said, request, base, token)
    made = said.get("iat")
    if isinstance(made, bool) or not isinstance(made, int | float) or not now - max_age <= made <= now + AHEAD:
        raise BadToken("dpop_time", "the proof is not from just now (iat); compare the clocks")
    if not _verified(header["jwk"], header["alg"], signed, signature):
        raise BadToken("dpop_invalid", "the proof's signature does not fit")
    return hashlib.sha256(f"{key} {said['jti']}".encode("utf-8", "surrogatepass")).digest()[:16]


def _check_said(said: dict[str, Any], request: Request, base: str, token: bytes) -> None:
    jti = said.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= 256:
        raise BadToken("dpop_invalid", "the proof has an id of at most 256 characters (jti)")
    if said.get("htm") != request.method:
        raise BadToken("dpop_request", "the proof is for another method (htm)")
    if not _same_address(said.get("htu"), base, request.path):
        raise BadToken("dpop_request", "the proof is for another address (htu)")
    expected = urlsafe_b64encode(hashlib.sha256(token).digest()).rstrip(b"=").decode()
    if said.get("ath") != expected:
        raise BadToken("dpop_request", "the proof is for another token (ath)")


def _same_address(htu: Any, base: str, path: str) -> bool:
    """Without query and fragment, scheme and host in any case, the path in the one form that is matched."""
    if not isinstance(htu, str) or not htu.isascii():
        return False
    try:
        parts = urlsplit(htu)
        asked = canonical_path((parts.path or "/").encode())
    except (ValueError, Refused):
        return False
    return asked == path and _origin(parts.scheme, parts.netloc) == _origin(*base.split("://", 1))


def _origin(scheme: str, authority: str) -> str:
    scheme, authority = scheme.lower(), authority.lower()
    return f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS.get(scheme, ''))}"


def _verified(jwk: dict[str, Any], algorithm: str, signed: bytes, signature: bytes) -> bool:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        key = PyJWK(jwk, algorithm)
        if getattr(key.key, "key_size", MIN_RSA_BITS) < MIN_RSA_BITS and algorithm in ("RS256", "PS256"):
            return False
        return bool(key.Algorithm.verify(signed, key.key, signature))
    except (PyJWTError, ValueError, TypeError):
        return False
