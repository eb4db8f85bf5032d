"""What an issuer says of a token (RFC 7662 section 2.2), and whether that is enough for us.

The problem: "active" says that the issuer knows the token, not that it is an access token, for us, and for now. A
refresh token is active, too. The rule: only `true` is true; a type other than Bearer is refused; times, audience and
required claims are compared as for a token that is read here.
"""

from __future__ import annotations

import math
from typing import Any

from gateway.filters.asking import Unanswered
from gateway.filters.jose import BadToken, read_object
from gateway.spec.identity import TokenIntrospection


def read_answer(body: bytes, spec: TokenIntrospection, now: float) -> tuple[dict[str, Any], float]:
    """The claims of a good token, and when it ends in seconds since 1970 (infinite when nothing is said).

    Raises:
        BadToken: it is not good here.
        Unanswered: the issuer says nothing that could be understood.
    """
    try:
        said = read_object(body, "answer")
    except BadToken as bad:
        raise Unanswered(bad.detail) from None
    if said.get("active") is not True:
        raise BadToken("token_inactive", "the token is not valid, or no longer")
    kind = said.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise BadToken("token_type", "this type of token opens nothing here")
    expires = _time(said, "exp", math.inf)
    if expires <= now or _time(said, "nbf", 0.0) > now:
        raise BadToken("token_inactive", "the token is not valid now")
    audience = said.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if spec.audiences and not any(isinstance(one, str) and one in spec.audiences for one in named):
        raise BadToken("token_audience", "the token was issued for somebody else (aud)")
    claims = {name: value for name, value in said.items() if name != "active"}
    claims.setdefault("sub", said.get("client_id"))
    for name in ("sub", *spec.required_claims):
        if claims.get(name) is None:
            raise BadToken("token_claim_missing", f"the issuer does not tell a required claim ({name})")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise BadToken("token_claim_missing", "the subject is a text (sub)")
    return claims, expires


def _time(said: dict[str, Any], name: str, default: float) -> float:
    value = said.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadToken("token_inactive", f"a time is a number of seconds ({name})")
    return float(value)
