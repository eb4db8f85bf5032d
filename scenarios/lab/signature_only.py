"""A gateway that believes whatever is signed by a key that it knows. For the lab only.

It does one half of the work, and the half that looks difficult: the signature. What the token says of whom it is for,
by whom, and until when, nobody reads (RFC 8725 sections 3.8 to 3.10; RFC 7519 section 4.1).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from jwt import PyJWK

from gateway.filters.base import Build, Decision, Filter
from gateway.filters.bearer import unauthorized
from gateway.filters.jose import BadToken, read_parts
from gateway.http.messages import Request
from gateway.spec.models import FilterSpec


class SignatureOnlySpec(FilterSpec):
    """Whom it believes."""

    type: Literal["LabSignatureOnly"] = "LabSignatureOnly"
    keys: tuple[dict[str, str], ...]
    """Public keys (JWK) of everybody in the house who signs anything, in one set."""


class SignatureOnly(Filter[SignatureOnlySpec]):
    """Passes what is signed by one of its keys."""

    Spec = SignatureOnlySpec
    authenticates = True
    lab_only: ClassVar[bool] = True

    def __init__(self, spec: SignatureOnlySpec, build: Build) -> None:
        super().__init__(spec, build)
        self._keys = {one["kid"]: PyJWK(dict(one), one["alg"]) for one in spec.keys}

    def decide(self, request: Request) -> Decision:
        """Pass with whatever was signed."""
        scheme, _, token = (request.get(b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return unauthorized("token_missing", "send Authorization: Bearer <token>", error="")
        try:
            header, claims, signed, signature = read_parts(token.encode())
        except BadToken as bad:
            return unauthorized(bad.reason, bad.detail)
        if not self._signed(header, signed, signature):
            return unauthorized("jwt_signature", "no key that is known here has signed this")
        request.claims = claims
        request.subject = str(claims.get("sub", ""))
        return None

    def _signed(self, header: dict[str, Any], signed: bytes, signature: bytes) -> bool:
        key = self._keys.get(str(header.get("kid")))
        return key is not None and bool(key.Algorithm.verify(signed, key.key, signature))
