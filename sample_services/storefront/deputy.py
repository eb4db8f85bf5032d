"""A client with rights of its own, as it is often built: one token for all calls, for speed.

It exists for the lab alone (confused-deputy). The storefront as it is passes each caller's own token on.
"""

from __future__ import annotations

from sample_services.kit.auth import Claims

_PRIVILEGED = frozenset({"support", "admin"})


class Deputy:
    """Keeps the first token that may do much, and uses it for everybody."""

    def __init__(self) -> None:
        self._token: str | None = None

    def token(self, claims: Claims | None) -> str | None:
        """The token that calls onwards are made with."""
        if claims and claims.roles & _PRIVILEGED and self._token is None:
            self._token = claims.token
        return self._token or (claims.token if claims else None)


DEPUTY = Deputy()
