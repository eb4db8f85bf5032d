"""The gateway's own keys: what it signs tokens for services with, and what services verify them by.

The problem: several workers sign, none of them may wait for another, keys must change, and a verifier must know the
next one before it is used. The rule: an instance has one random secret, new at each start, which the supervisor gives
to its workers by the inherited pipe and to nobody else. Each day has a key of its own, derived from the secret (HKDF,
RFC 5869), so that all workers have the same without a word. Published are yesterday's, today's and tomorrow's: a
verifier that looks every few minutes is never surprised.

Ed25519 (RFC 8037): 32 bytes are a key, so a derived secret is one, and signing is fast.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALGORITHM: Final = "EdDSA"
PERIOD: Final = 86_400.0
"""Seconds for which a key signs."""
_PURPOSE: Final = b"gatehouse internal token "


@dataclass(frozen=True)
class SigningKey:
    """One period's key."""

    kid: str
    """The thumbprint of its public half (RFC 7638): no two keys have the same."""
    private: Ed25519PrivateKey = field(repr=False)
    jwk: Mapping[str, str]
    """The public half (RFC 7517)."""


class SigningKeys:
    """All keys of one instance; made when they are needed."""

    def __init__(self, secret: bytes) -> None:
        """`secret` are at least 32 random bytes that all workers of the instance have."""
        self._secret = secret
        self._made: dict[int, SigningKey] = {}

    @classmethod
    def of_our_own(cls) -> SigningKeys:
        """Keys that no other process has: where there is only one, as in tests."""
        return cls(secrets.token_bytes(32))

    def current(self, now: float) -> SigningKey:
        """The key that signs at `now` (seconds since 1970)."""
        return self._key(int(now // PERIOD))

    def published(self, now: float) -> bytes:
        """The JWKS document (RFC 7517 section 5)."""
        period = int(now // PERIOD)
        return json.dumps({"keys": [dict(self._key(period + step).jwk) for step in (0, 1, -1)]}).encode()

    def sign(self, claims: Mapping[str, Any], now: float) -> bytes:
        """An access token in JWT form (RFC 9068 section 2.1)."""
        import jwt

        key = self.current(now)
        return jwt.encode(dict(claims), key.private, ALGORITHM, {"kid": key.kid, "typ": "at+jwt"}).encode("ascii")

    def _key(self, period: int) -> SigningKey:
        key = self._made.get(period)
        if key is None:
            for old in [one for one in self._made if one < period - 2]:
                del self._made[old]
            key = self._made[period] = self._derive(period)
        return key

    def _derive(self, period: int) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        from gateway.filters.proof import thumbprint

        seed = HKDF(SHA256(), 32, salt=None, info=_PURPOSE + b"%d" % period).derive(self._secret)
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": urlsafe_b64encode(public).rstrip(b"=").decode()}
        kid = thumbprint(jwk)
        return SigningKey(kid, private, {**jwk, "kid": kid, "alg": ALGORITHM, "use": "sig"})
