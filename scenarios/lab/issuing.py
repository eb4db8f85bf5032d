"""Tokens that the shop's own issuer has signed, or would: old ones, early ones, ones for somebody else.

The problem: an expired token of Alice's exists as soon as one waits; a lesson does not. The rule: the lab signs with
identity's own key, which it reads from identity's folder as the owner of this installation, what identity signs at
another time or for another application. No attacker has this key: what they have are its signatures.
"""

from __future__ import annotations

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.cli.console import Failure
from gateway.cli.tokens import claims_of
from scenarios.lab.target import Target

LIFETIME_S = 600


class Issuer:
    """Signs as identity does."""

    def __init__(self, lab: Target) -> None:
        """Raises Failure where identity publishes no key whose private half is there."""
        folder = lab.instance.state_dir / "data" / "identity" / "keys"
        published = lab.tidy("nobody", "GET", "/auth/jwks.json").json()["keys"]
        found = next((one for one in published if (folder / f"{one['kid']}.pem").exists()), None)
        if found is None:
            raise Failure("Identity's signing key was not found.")
        self._kid, self._algorithm = found["kid"], found["alg"]
        self._private: Any = load_pem_private_key((folder / f"{self._kid}.pem").read_bytes(), None)
        self._usual = {name: value for name, value in claims_of(lab.token("alice")).items() if name != "sid"}

    def sign(self, *, without: str = "", **changes: Any) -> str:
        """An access token of Alice's as identity makes them, with other claims, or without one of them."""
        now = time.time()
        claims = {**self._usual, "iat": now, "exp": int(now) + LIFETIME_S, **changes}
        claims.pop(without, None)
        return jwt.encode(claims, self._private, self._algorithm, {"kid": self._kid, "typ": "at+jwt"})
