"""Jwks: answers with the public keys of the gateway's own tokens, for services that verify them (RFC 7517).

The rule: it is a filter like any, so that the file says where the keys are, on a listener that services reach.
"""

from __future__ import annotations

from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Reply, Request
from gateway.spec.identity import Jwks

_FIELDS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))


class JwksFilter(Filter[Jwks]):
    """Always answers."""

    Spec = Jwks
    answers = True

    def __init__(self, spec: Jwks, build: Build) -> None:
        super().__init__(spec, build)
        self._keys = build.signing
        self._wall = build.wall

    def decide(self, request: Request) -> Decision:
        """The key set."""
        keys = self._keys.published(self._wall())
        return Reply(200, "", "the keys that internal tokens are verified with", _FIELDS, body=keys)

    def explain(self, request: Request, reply: Verdict) -> str:
        """Which key signs now."""
        return f"answers with the gateway's keys; {self._keys.current(self._wall()).kid} signs now"
