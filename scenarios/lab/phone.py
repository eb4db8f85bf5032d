"""A client that holds a key, and signs a small proof for each of its requests (DPoP, RFC 9449)."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from base64 import urlsafe_b64encode
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm


class Phone:
    """Has a key that never leaves it."""

    def __init__(self) -> None:
        self._key = generate_private_key(SECP256R1())
        self._jwk: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))

    @property
    def thumbprint(self) -> str:
        """The key's name (RFC 7638): what an issuer writes into the token, as `cnf` with `jkt`."""
        members = {name: self._jwk[name] for name in ("crv", "kty", "x", "y")}
        return _text(hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest())

    def proof(self, token: str, method: str, url: str, *, age: float = 0.0) -> str:
        """For one request with this token; `age` seconds ago."""
        said = {
            "jti": secrets.token_urlsafe(12),
            "htm": method,
            "htu": url,
            "iat": int(time.time() - age),
            "ath": _text(hashlib.sha256(token.encode()).digest()),
        }
        return jwt.encode(said, self._key, "ES256", headers={"typ": "dpop+jwt", "jwk": self._jwk})

    def fields(self, token: str, method: str, url: str, *, age: float = 0.0) -> list[tuple[str, str]]:
        """The headers of such a request."""
        return [("Authorization", f"DPoP {token}"), ("DPoP", self.proof(token, method, url, age=age))]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
