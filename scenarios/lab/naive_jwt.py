"""A gateway that believes tokens as naive code does. For the lab only.

Each mistake below was made by real libraries or by people who used them (RFC 8725 section 2 collects them). All of
them are in this one file, under the name of the attack that they let through; no configuration but one that the lab
has put in place may use it (`lab_only`). Files are read below one canary directory, and keys fetched from this machine.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.request
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any, ClassVar, Literal

import jwt
from jwt import PyJWK

from gateway.filters.base import Decision, Filter
from gateway.filters.bearer import unauthorized
from gateway.http.messages import Request
from gateway.spec.models import FilterSpec
from scenarios.lab.client import check_loopback


class NaiveJwtSpec(FilterSpec):
    """What it believes with."""

    type: Literal["LabNaiveJwt"] = "LabNaiveJwt"
    public_key: str
    """The issuer's, PEM: everybody may know it."""
    secret: str
    """What somebody once signed with; it stands in every list of words."""
    folder: str
    """The canary directory: key files."""


class NaiveJwt(Filter[NaiveJwtSpec]):
    """Believes what the token says of itself."""

    Spec = NaiveJwtSpec
    authenticates = True
    lab_only: ClassVar[bool] = True

    def decide(self, request: Request) -> Decision:
        """Pass with whatever the token claims."""
        scheme, _, token = (request.get(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return unauthorized("token_missing", "send Authorization: Bearer <token>", error="")
        try:
            request.claims = self._believe(token)
        except (ValueError, KeyError, OSError, jwt.PyJWTError) as error:
            return unauthorized("jwt_signature", f"not even a naive check believes this: {type(error).__name__}")
        request.subject = str(request.claims.get("sub", ""))
        return None

    def _believe(self, token: str) -> dict[str, Any]:
        head, payload, signature = token.split(".")
        header = json.loads(_decode(head))
        signed, given = f"{head}.{payload}".encode(), _decode(signature)
        algorithm = str(header.get("alg", ""))
        if algorithm.lower() == "none" or not given:  # none in any spelling; a signature that was cut off
            return _claims(payload)
        if algorithm.startswith("HS"):  # the token chooses the algorithm: a public key becomes a secret
            if any(hmac.compare_digest(_hmac(key, signed), given) for key in self._secrets(header)):
                return _claims(payload)
            raise ValueError(algorithm)
        key = self._key(header)
        if not key.Algorithm.verify(signed, key.key, given):
            raise ValueError(algorithm)
        return _claims(payload)

    def _secrets(self, header: dict[str, Any]) -> list[bytes]:
        """The key file that `kid` names; without one the configured secrets, and the public key."""
        if "kid" in header and "/" in str(header["kid"]):
            folder = Path(self.spec.folder).resolve()
            file = (folder / "keys" / str(header["kid"])).resolve()
            if folder not in file.parents:  # the lab's own bound: the canary directory, and nothing above it
                raise ValueError("outside of the canary directory")
            return [file.read_bytes()]
        return [self.spec.secret.encode(), self.spec.public_key.encode()]

    def _key(self, header: dict[str, Any]) -> PyJWK:
        """The key that the token brings along, or says where to fetch; else the issuer's."""
        if "jwk" in header:
            return PyJWK(header["jwk"], header["alg"])
        if "jku" in header:
            check_loopback(str(header["jku"]))  # the lab's own bound
            with urllib.request.urlopen(str(header["jku"]), timeout=2) as answer:  # noqa: S310
                return PyJWK(json.loads(answer.read(65_536))["keys"][0], header["alg"])
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        found = jwt.algorithms.RSAAlgorithm.to_jwk(load_pem_public_key(self.spec.public_key.encode()), as_dict=True)  # type: ignore[call-overload]
        return PyJWK(found, "RS256")


def _hmac(key: bytes, signed: bytes) -> bytes:
    return hmac.digest(key, signed, hashlib.sha256)


def _claims(payload: str) -> dict[str, Any]:
    claims: dict[str, Any] = json.loads(_decode(payload))
    return claims


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
