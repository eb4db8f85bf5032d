"""JWT, for issuers that tell which tokens they have taken back.

The problem: tokens that were verified are remembered until they expire, and memory must not shield one that was taken
back since. The rule: whatever the JWT filter says of a token, what it lets pass is looked up in the list, each time.
A class of its own, so that providers without a list pay nothing for it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from gateway.filters.base import Decision, Verdict
from gateway.filters.bearer import unauthorized
from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import Provider
from gateway.filters.revocations import Revocations
from gateway.http.messages import Reply, Request

UNAVAILABLE: Final = Reply(
    503,
    "revocation_unavailable",
    "whether the token was taken back is not known at the moment",
    ((b"retry-after", b"1"),),
)


class RevocableJwtFilter(JwtFilter):
    """Requires a token of one of its providers that its issuer has not taken back."""

    def decide(self, request: Request) -> Decision:
        """As the JWT filter; then the list."""
        if request.claims is not None:  # given by `gatehouse explain --claims`: there is no token
            return super().decide(request)
        verdict = super().decide(request)
        if verdict is None:
            return self._listed(request)
        return verdict if isinstance(verdict, Reply) else self._after(verdict, request)

    async def _after(self, waiting: Awaitable[Verdict], request: Request) -> Verdict:
        verdict = await waiting
        if verdict is not None:
            return verdict
        listed = self._listed(request)
        return listed if listed is None or isinstance(listed, Reply) else await listed

    def _listed(self, request: Request) -> Decision:
        assert request.claims is not None
        provider = self._only or self._by_issuer[request.claims["iss"]]
        known = provider.revocations
        if known is None:
            return None
        if known.revoked.holds(request.claims):
            return self._taken_back(provider)
        if known.complete:
            return None
        if known.reading:
            return self._wait_for_list(provider, known, request)
        return self._unknown(provider, known)

    async def _wait_for_list(self, provider: Provider, known: Revocations, request: Request) -> Verdict:
        """A worker that has just begun asks first; after that it knows, or knows that it cannot."""
        await known.read_once()
        assert request.claims is not None
        if known.revoked.holds(request.claims):
            return self._taken_back(provider)
        return None if known.complete else self._unknown(provider, known)

    def _taken_back(self, provider: Provider) -> Reply:
        self._checks.add(provider.spec.name, "token_revoked")
        return unauthorized("token_revoked", "the token was taken back by its issuer; log in again")

    def _unknown(self, provider: Provider, known: Revocations) -> Verdict:
        self._undecided.add(self.name, known.spec.store, known.spec.on_store_failure)
        return UNAVAILABLE if known.spec.on_store_failure == "fail_closed" else None

    def explain(self, request: Request, reply: Verdict) -> str:
        """As the JWT filter, and whether the list is known."""
        told = super().explain(request, reply)
        if reply is not None or request.claims is None:
            return told
        provider = self._only or self._by_issuer.get(str(request.claims.get("iss")))
        known = provider.revocations if provider else None
        if known is None or "no token checked" in told:
            return told
        listed = "not revoked" if known.complete else f"revocations unknown: {known.spec.on_store_failure}"
        return f"{told}, {listed}"
