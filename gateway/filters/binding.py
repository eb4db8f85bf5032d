"""Tokens that belong to one holder (RFC 7800, RFC 8705).

The problem: whoever has a bearer token may use it, also a thief. The rule: a token that names the certificate of its
holder (`cnf` with `x5t#S256`) is good only on a connection on which the client has proven to own that certificate,
whether the route asks for such tokens or not; one that is bound in a way that is not understood here is no good at
all. Where a route asks for bound tokens, one that is not bound is refused.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from gateway.filters.jose import BadToken
from gateway.http.messages import Request

BY_CERTIFICATE = "x5t#S256"


def binding_of(claims: Mapping[str, Any], required: bool) -> str | None:
    """The thumbprint of the certificate that a token is bound to; None for a token that anybody may use.

    Raises:
        BadToken: it is bound in another way, or not bound and must be.
    """
    confirmation = claims.get("cnf")
    if confirmation is None:
        if required:
            raise BadToken("token_not_bound", "only tokens that are bound to a certificate are good here (RFC 8705)")
        return None
    if isinstance(confirmation, dict) and list(confirmation) == [BY_CERTIFICATE]:
        thumbprint = confirmation[BY_CERTIFICATE]
        if isinstance(thumbprint, str) and thumbprint.isascii():
            return thumbprint
    raise BadToken("token_binding_unknown", "the token is bound to its holder in a way that is not checked here")


def is_holder(request: Request, thumbprint: str) -> bool:
    """Whether the request came over a connection of the certificate's owner."""
    certificate = request.client_certificate
    return certificate is not None and hmac.compare_digest(certificate.thumbprint, thumbprint)


def check_holder(request: Request, thumbprint: str | None) -> None:
    """Let nobody else use a bound token.

    Raises:
        BadToken: the client has another certificate, or none.
    """
    if thumbprint is not None and not is_holder(request, thumbprint):
        raise BadToken("token_binding", "the token belongs to the holder of another certificate (RFC 8705)")
