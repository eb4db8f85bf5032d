"""Authorize: what a verified token allows (OWASP API5, RFC 6750 §3.1).

The problem: a valid token says who somebody is, not that they may do this. The rule: every listed scope must be
in the token's `scope`, and each listed claim must hold one of the listed values. Without claims, deny. This is the
short form; whatever needs paths, addresses, certificates, exceptions or expressions is an AuthorizationPolicy.
"""

from __future__ import annotations

from typing import Any

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.conditions import claim_values
from gateway.http.messages import Reply, Request
from gateway.spec.filters import Authorize


class AuthorizeFilter(Filter[Authorize]):
    """Requires scopes and claims of a token that an earlier filter verified."""

    Spec = Authorize

    def __init__(self, spec: Authorize, build: Build) -> None:
        super().__init__(spec, build)
        self._scopes = frozenset(spec.scopes)
        self._claims = {name: frozenset(values) for name, values in spec.claims.items()}
        challenge = f'Bearer realm="gatehouse", error="insufficient_scope", scope="{" ".join(spec.scopes)}"'
        needs = ", ".join(spec.scopes)
        self._no_scope = Reply(
            403, "insufficient_scope", f"the token needs: {needs}", ((b"www-authenticate", challenge.encode()),)
        )
        # A scope string is nearly always one of a few; remember which of them suffice. Bounded: only verified
        # tokens get here, and the set is emptied when an issuer invents too many.
        self._sufficient: set[str] = set()

    def decide(self, request: Request) -> Decision:
        """Pass or 403."""
        claims = request.claims
        if claims is None:
            return Reply(403, "not_authenticated", "no token was verified for this request")
        if self._scopes and not self._has_scopes(claims.get("scope", "")):
            return self._no_scope
        for name, allowed in self._claims.items():
            if allowed.isdisjoint(claim_values(request, name)):
                return Reply(403, "claim_not_allowed", f"the token's claim {name!r} does not allow this")
        return None

    def _has_scopes(self, scope: Any) -> bool:
        if not isinstance(scope, str):
            return False
        if scope in self._sufficient:
            return True
        if not self._scopes.issubset(scope.split()):
            return False
        if len(self._sufficient) >= 256:
            self._sufficient.clear()
        self._sufficient.add(scope)
        return True

    def explain(self, request: Request, reply: Verdict) -> str:
        """Which scopes and claims were asked for, and what the token has when it does not suffice."""
        wanted = [*self.spec.scopes, *(f"{name} in {sorted(allowed)}" for name, allowed in self._claims.items())]
        if reply is None or request.claims is None:
            return ", ".join(wanted)
        has = [f"{name} {request.claims.get(name, 'absent')}" for name in ("scope", *self._claims)]
        return f"wants {', '.join(wanted)}; the token has {', '.join(has)}"
