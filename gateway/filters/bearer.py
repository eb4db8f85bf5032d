"""Bearer tokens in requests, and the challenge of RFC 6750 to whoever has none or a bad one."""

from __future__ import annotations

from gateway.http.messages import Reply, Request


def unauthorized(reason: str, detail: str, error: str = "invalid_token") -> Reply:
    """401 with the challenge of RFC 6750 section 3: no error code when no token was sent."""
    challenge = (
        f'Bearer realm="gatehouse", error="{error}", error_description="{reason}"'
        if error
        else ('Bearer realm="gatehouse"')
    )
    return Reply(401, reason, detail, ((b"www-authenticate", challenge.encode("ascii")),))


def bearer_token(request: Request) -> bytes | Reply:
    """The token of a request, or the answer to one that has none."""
    header = request.fields.get(b"authorization")
    if header is None:
        return unauthorized("token_missing", "send Authorization: Bearer <token>", error="")
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer":
        return unauthorized("token_scheme", "the scheme here is Bearer (RFC 6750)", error="")
    return token
