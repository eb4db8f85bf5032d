"""Scopes that one part of a route asks for: an operation of a contract, a root field of a schema.

The problem: where one address carries a whole API, what a token must allow depends on what the body asks for. The
rule: the same answers as `Authorize` gives (RFC 6750 section 3.1); without a verified token, deny.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.http.messages import Reply, Request


def check_scopes(request: Request, scopes: Sequence[str], what: str) -> Reply | None:
    """Whether the verified token has all of `scopes`; `what` asks for them."""
    if not scopes:
        return None
    if request.claims is None:
        return Reply(403, "not_authenticated", f"{what} needs a token, and none was verified for this request")
    held = request.claims.get("scope", "")
    if isinstance(held, str) and set(scopes) <= set(held.split()):
        return None
    wanted = " ".join(scopes)
    challenge = f'Bearer realm="gatehouse", error="insufficient_scope", scope="{wanted}"'
    return Reply(
        403, "insufficient_scope", f"{what} needs: {', '.join(scopes)}", ((b"www-authenticate", challenge.encode()),)
    )
