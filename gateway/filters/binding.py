"""Tokens that belong to one holder (RFC 7800, RFC 8705, RFC 9449).

The problem: whoever has a bearer token may use it, also a thief. The rule: a token that names the certificate of its
holder (`cnf` with `x5t#S256`) is good only on a connection on which the client has proven to own that certificate,
whether the route asks for such tokens or not. One that names a key (`jkt`) is good only where a DPoP filter follows,
which asks for the proof; one that is bound in another way is no good at all. Where a route asks for bound tokens, one
that is not bound is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from gateway.filters.jose import BadToken
from gateway.http.messages import Request

BY_CERTIFICATE: Final = "x5t#S256"
BY_KEY: Final = "jkt"


class Binding(NamedTuple):
    """What a token is bound to: a member of `cnf`, and the thumbprint there; `method` None for nothing."""

    method: str | None
    thumbprint: str


UNBOUND: Final = Binding(None, "")


def bindings(certificate_bound: bool, dpop: bool) -> frozenset[str | None]:
    """The methods that a filter with this configuration lets pass."""
    if certificate_bound:
        return frozenset((BY_CERTIFICATE,))
    return frozenset((None, BY_CERTIFICATE, BY_KEY) if dpop else (None, BY_CERTIFICATE))


def binding_of(claims: Mapping[str, Any], allowed: frozenset[str | None]) -> Binding:
    """To what a token is bound, by one of the allowed methods.

    Raises:
        BadToken: it is bound in another way, or not bound and must be.
    """
    confirmation = claims.get("cnf")
    if confirmation is None:
        if None not in allowed:
            raise BadToken("token_not_bound", "only tokens that are bound to a certificate are good here (RFC 8705)")
        return UNBOUND
    if isinstance(confirmation, dict) and len(confirmation) == 1:
        ((method, thumbprint),) = confirmation.items()
        if method in allowed and isinstance(thumbprint, str) and thumbprint.isascii():
            return Binding(method, thumbprint)
    raise BadToken("token_binding_unknown", "the token is bound to its holder in a way that is not checked here")


def is_holder(request: Request, binding: Binding) -> bool:
    """Whether the request came over a connection of the certificate's owner, where that is what counts."""
    if binding.method != BY_CERTIFICATE:
        return True  # nobody's, or a key's: the DPoP filter asks for the proof
    certificate = request.client_certificate
    return certificate is not None and hmac.compare_digest(certificate.thumbprint, binding.thumbprint)


def check_holder(request: Request, binding: Binding) -> None:
    """Let nobody else use a bound token.

    Raises:
        BadToken: the client has another certificate, or none.
    """
    if not is_holder(request, binding):
        raise BadToken("token_binding", "the token belongs to the holder of another certificate (RFC 8705)")
