"""Who is asking: access tokens verified in the service itself (RFC 6750, RFC 8725, RFC 9068).

The problem: a service that believes whatever reaches it depends on the gateway never being bypassed. The rule:
every service verifies the token again: algorithm bound to the key, type, issuer, audience, expiry; then the
route's scopes. The gateway's check is a second lock on the same door.

There may be two issuers: identity, for the whole shop, and the gateway, whose short tokens are for one service. What a
token says of its issuer chooses whose keys are tried, and for which audience it must be.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from sample_services.kit.keys import Key, Keys
from sample_services.kit.problems import Problem

LEEWAY_S = 30
MAX_TOKEN_CHARS = 8_192
MAX_CACHED = 2_048
SUBJECT: web.RequestKey[str] = web.RequestKey("subject", str)
"""Set on the request by `require`, so that the access log can name who asked."""

_FORBIDDEN_HEADERS = ("crit", "jwk", "jku", "x5u", "x5c", "b64")


@dataclass(frozen=True)
class Claims:
    """What a verified token says."""

    subject: str
    scopes: frozenset[str]
    roles: frozenset[str]
    client_id: str
    expires: float
    """Seconds since 1970."""
    token: str = field(repr=False)
    """The token itself, to pass on to a peer."""
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)
    """Every claim."""


@dataclass(frozen=True)
class Trusted:
    """An issuer that is believed; `keys` are fetched over the network, or read from memory by the issuer itself."""

    issuer: str
    audience: str
    keys: Keys


class TokenVerifier:
    """Verifies tokens of one issuer for one audience, or of a few; `clock` is seconds since 1970."""

    def __init__(
        self,
        issuer: str,
        audience: str,
        keys: Keys,
        clock: Callable[[], float] = time.time,
        also: Sequence[Trusted] = (),
    ) -> None:
        self._first = Trusted(issuer, audience, keys)
        self._also = {one.issuer: one for one in also}
        self._clock = clock
        self._verified: OrderedDict[bytes, tuple[Trusted, Key, Claims]] = OrderedDict()

    async def require(self, request: web.Request, *scopes: str) -> Claims:
        """The claims of the request's token, which must have all these scopes.

        Raises:
            Problem: 401 with `WWW-Authenticate` (no usable token), 403 `insufficient_scope`,
                503 `keys_unavailable`.
        """
        claims = await self.verify(bearer_token(request))
        request[SUBJECT] = claims.subject
        missing = [scope for scope in scopes if scope not in claims.scopes]
        if missing:
            challenge = f'Bearer error="insufficient_scope", scope="{" ".join(scopes)}"'
            detail = f"this needs the scope {' '.join(missing)}"
            raise Problem(403, "insufficient_scope", detail, headers={"WWW-Authenticate": challenge})
        return claims

    async def verify(self, token: str) -> Claims:
        """The claims of a token.

        Raises:
            Problem: 401 with the reason why it is refused; 503 `keys_unavailable`.
        """
        name = hashlib.sha256(token.encode()).digest()
        known = self._verified.get(name)
        if known is not None and await self._still_holds(*known):
            self._verified.move_to_end(name)
            return known[2]
        self._verified.pop(name, None)
        verified = await self._verify_new(token)
        self._verified[name] = verified
        if len(self._verified) > MAX_CACHED:
            self._verified.popitem(last=False)
        return verified[2]

    async def _still_holds(self, trusted: Trusted, key: Key, claims: Claims) -> bool:
        """A verified token is good until it expires, or its key is withdrawn."""
        return claims.expires > self._clock() and await trusted.keys.get(key.kid) is key

    async def _verify_new(self, token: str) -> tuple[Trusted, Key, Claims]:
        header = _checked_header(token)
        trusted = self._also.get(_said_issuer(token), self._first) if self._also else self._first
        key = await trusted.keys.get(header["kid"])
        if key is None:
            raise unauthorized("jwt_unknown_key", "the token's key is not one of the issuer's")
        if header.get("alg") != key.algorithm:
            raise unauthorized("jwt_bad_algorithm", "the token's algorithm is not that of its key")
        return trusted, key, self._claims(token, self._decode(token, key, trusted))

    def _decode(self, token: str, key: Key, trusted: Trusted) -> dict[str, Any]:
        import jwt

        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.jwk,
                algorithms=[key.algorithm],
                audience=trusted.audience,
                issuer=trusted.issuer,
                leeway=LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat", "client_id"]},
            )
        except jwt.ExpiredSignatureError:
            raise unauthorized("jwt_expired", "the token has expired") from None
        except jwt.InvalidAudienceError:
            raise unauthorized("jwt_wrong_audience", "the token is meant for someone else") from None
        except jwt.InvalidIssuerError:
            raise unauthorized("jwt_wrong_issuer", "the token is from someone else") from None
        except jwt.InvalidSignatureError:
            raise unauthorized("jwt_bad_signature", "the signature does not fit") from None
        except jwt.InvalidTokenError:
            raise unauthorized("jwt_invalid", "the token is not valid") from None
        return claims

    def _claims(self, token: str, raw: Mapping[str, Any]) -> Claims:
        scope, roles = raw.get("scope", ""), raw.get("roles", [])
        if not isinstance(scope, str) or not isinstance(roles, list):
            raise unauthorized("jwt_invalid", "the token is not valid")
        return Claims(
            subject=str(raw["sub"]),
            scopes=frozenset(scope.split()),
            roles=frozenset(map(str, roles)),
            client_id=str(raw["client_id"]),
            expires=float(raw["exp"]),
            token=token,
            raw=raw,
        )


def bearer_token(request: web.Request) -> str:
    """The token of the Authorization header.

    Raises:
        Problem: 401 `token_missing`; 400 `repeated_authorization` (RFC 9110: a sender must not repeat it).
    """
    values = request.headers.getall("Authorization", [])
    if len(values) > 1:
        raise Problem(400, "repeated_authorization", "send one Authorization header")
    scheme, _, token = (values[0] if values else "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        # RFC 6750 section 3.1: no error code when no token was given
        raise Problem(401, "token_missing", "send a bearer token", headers={"WWW-Authenticate": "Bearer"})
    return token.strip()


def unauthorized(reason: str, detail: str) -> Problem:
    """A refusal of a token that was given (RFC 6750 section 3)."""
    challenge = f'Bearer error="invalid_token", error_description="{detail}"'
    return Problem(401, reason, detail, headers={"WWW-Authenticate": challenge})


def _checked_header(token: str) -> dict[str, Any]:
    import jwt

    if len(token) > MAX_TOKEN_CHARS:
        raise unauthorized("jwt_invalid", "the token is too long")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise unauthorized("jwt_malformed", "this is not a token") from None
    if not all(map(_is_canonical, token.split("."))):
        raise unauthorized("jwt_malformed", "this is not a token")
    if any(name in header for name in _FORBIDDEN_HEADERS):
        raise unauthorized("jwt_bad_header", "the token's header names a key or an extension of its own")
    if str(header.get("typ", "")).lower() not in ("at+jwt", "application/at+jwt"):
        raise unauthorized("jwt_wrong_type", "this is not an access token")  # RFC 9068 section 4
    if not isinstance(header.get("kid"), str):
        raise unauthorized("jwt_unknown_key", "the token names no key")
    return header


def _said_issuer(token: str) -> str:
    """What a token says of its issuer: not believed, it only tells whose keys to try."""
    import jwt

    try:
        return str(jwt.decode(token, options={"verify_signature": False}).get("iss"))
    except jwt.InvalidTokenError:
        raise unauthorized("jwt_malformed", "this is not a token") from None


def _is_canonical(part: str) -> bool:
    """Whether this is the only way to write these bytes in base64url; else one token could have many forms."""
    try:
        decoded = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return False
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() == part
