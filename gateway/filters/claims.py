"""What a verified token says, and whether it is for us and for now (RFC 7519 §4.1, RFC 9068 §4).

The problem: a genuine signature proves who issued a token, not that it is still valid, nor that it was meant for
this service. The rule: `iss`, `aud`, `exp` and `sub` must be there; times are numbers, compared with a leeway.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.filters.jose import BadToken
from gateway.spec.models import JwtProvider

REQUIRED = ("iss", "aud", "exp", "sub")


def check_claims(
    claims: Mapping[str, Any],
    provider: JwtProvider,
    audiences: Collection[str],
    required: Collection[str],
    now: float,
) -> None:
    """Compare claims with what the provider's tokens must say, and a route wants besides.

    Args:
        audiences: who we are; the token must name one.
        required: further claims that must be there, whatever they say.
        now: seconds since 1970.

    Raises:
        BadToken: with the first reason that holds.
    """
    missing = [name for name in (*REQUIRED, *required) if claims.get(name) is None]
    if missing:
        raise BadToken("jwt_claim_missing", f"the token lacks a required claim ({missing[0]})")
    _check_times(claims, now, provider.leeway)
    if claims["iss"] != provider.issuer:
        raise BadToken("jwt_issuer", "the token comes from another issuer (iss)")
    audience = claims["aud"]
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(one, str) and one in audiences for one in named):
        raise BadToken("jwt_audience", "the token was issued for somebody else (aud)")
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise BadToken("jwt_invalid", "the subject is a text (sub)")


def _check_times(claims: Mapping[str, Any], now: float, leeway: float) -> None:
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadToken("jwt_invalid", f"a time is a number of seconds ({name})")
    if claims["exp"] <= now - leeway:
        raise BadToken("jwt_expired", "the token has expired; get a new one")
    if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + leeway:
        raise BadToken("jwt_not_yet_valid", "the token is not valid yet")
