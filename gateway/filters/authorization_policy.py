"""AuthorizationPolicy: rules that deny and rules that allow, in Istio's order.

    CUSTOM    an earlier filter that asks somebody else
    DENY      any rule that applies          → 403 policy_denied
    ALLOW     there are some and none applies → 403 policy_not_allowed
    else      the request passes

The problem: rules that override one another by number or place are misread. The rule: the order of the kinds is
fixed, the order of rules within a kind does not matter, and a condition that cannot be computed never opens
anything: a DENY rule then applies, an ALLOW rule does not
(https://istio.io/latest/docs/reference/config/security/authorization-policy/).
"""

from __future__ import annotations

from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.conditions import CompiledConditions
from gateway.http.messages import Reply, Request
from gateway.spec.authorization import AuthorizationPolicy, Rule
from gateway.spec.cel import Undecided

NOT_ALLOWED: Final = Reply(403, "policy_not_allowed", "no rule allows this")


class CompiledRule:
    """A rule, ready to be asked."""

    __slots__ = ("_conditions", "_unless", "denied", "name", "undecided")

    def __init__(self, spec: Rule) -> None:
        self.name = spec.name
        self._conditions = CompiledConditions(spec)
        self._unless = CompiledConditions(spec.unless, spec.paths) if spec.unless is not None else None
        self.denied = Reply(403, "policy_denied", f"rule {spec.name!r} denies this")
        self.undecided = Reply(403, "policy_undecided", f"rule {spec.name!r} cannot be decided, so it denies")

    def applies(self, request: Request) -> bool:
        """Whether its conditions hold, and those of `unless` do not.

        Raises:
            Undecided: a condition has no answer.
        """
        if not self._conditions.hold(request):
            return False
        return self._unless is None or not self._unless.hold(request)

    def why(self, request: Request) -> str:
        """In words: that it applies, or the first thing that stood against it."""
        missed = self._conditions.missed(request)
        if missed or self._unless is None:
            return f"{self.name}: {missed or 'applies'}"
        excepted = self._unless.missed(request)
        return f"{self.name}: applies; unless {excepted}" if excepted else f"{self.name}: does not apply (unless)"


class AuthorizationPolicyFilter(Filter[AuthorizationPolicy]):
    """Denies what a DENY rule says, and what no ALLOW rule says."""

    Spec = AuthorizationPolicy

    def __init__(self, spec: AuthorizationPolicy, build: Build) -> None:
        super().__init__(spec, build)
        self._deny = tuple(map(CompiledRule, spec.deny))
        self._allow = tuple(map(CompiledRule, spec.allow))
        self._shadowed = build.metrics.shadowed

    def decide(self, request: Request) -> Decision:
        """Pass or 403."""
        reply = self._judge(request)
        if reply is None or self.spec.enforced:
            return reply
        self._shadowed.add(self.name, reply.reason)
        return None

    def _judge(self, request: Request) -> Verdict:
        for rule in self._deny:
            try:
                if rule.applies(request):
                    return rule.denied
            except Undecided:
                return rule.undecided
        if not self._allow:
            return None
        undecided: Verdict = None
        for rule in self._allow:
            try:
                if rule.applies(request):
                    return None
            except Undecided:
                undecided = rule.undecided
        return undecided or NOT_ALLOWED

    def explain(self, request: Request, reply: Verdict) -> str:
        """Every rule that took part, with what it wanted and saw."""
        denied = [f"DENY {rule.why(request)}" for rule in self._deny]
        allowed = [f"ALLOW {rule.why(request)}" for rule in self._allow]
        would = None if self.spec.enforced else self._judge(request)
        shadow = [] if self.spec.enforced else [f"shadow mode, would {'deny' if would else 'pass'}"]
        return "; ".join([*shadow, *denied, *allowed])
