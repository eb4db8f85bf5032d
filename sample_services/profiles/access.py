"""Who may do what with whose profile.

The problem: a valid token with the right scope still says nothing about *this* record; checking only the scope is
the most common API flaw of all (OWASP API1:2023, broken object level authorization). The rule: one table, asked by
both faces through the domain, and asked before the store is, so that a refusal does not tell whether a profile
exists.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from sample_services.kit.auth import Claims
from sample_services.kit.problems import Problem


@dataclass(frozen=True)
class Rule:
    """An operation needs the scope, and a role unless `owner` lets people do it to their own profile."""

    scope: str
    roles: frozenset[str]
    owner: bool = True


RULES = {
    "create": Rule("profiles:write", frozenset({"admin"})),
    "read": Rule("profiles:read", frozenset({"support", "admin"})),
    "update": Rule("profiles:write", frozenset({"admin"})),
    "drop": Rule("profiles:write", frozenset({"admin"})),
    "recover": Rule("profiles:recover", frozenset({"support", "admin"}), owner=False),
}
ADMIN_FIELDS = frozenset({"loyalty_points"})
"""Points are worth money: people may change their own profile, but not these (OWASP API3:2023)."""


def permit(claims: Claims, operation: str, username: str) -> None:
    """Let the operation on this person's profile pass.

    Raises:
        Problem: 403 `insufficient_scope` or `not_owner`.
    """
    rule = RULES[operation]
    if rule.scope not in claims.scopes:
        challenge = f'Bearer error="insufficient_scope", scope="{rule.scope}"'  # RFC 6750 section 3
        raise Problem(403, "insufficient_scope", f"this needs {rule.scope}", headers={"WWW-Authenticate": challenge})
    if not concerns(claims, operation, username):
        raise Problem(403, "not_owner", "this profile is not yours")


def concerns(claims: Claims, operation: str, username: str) -> bool:
    """Whether this person's profile is the caller's business; the scope is not looked at."""
    rule = RULES[operation]
    return bool((rule.owner and claims.subject == username) or claims.roles & rule.roles)


def permit_fields(claims: Claims, fields: Set[str]) -> None:
    """Let these fields be written.

    Raises:
        Problem: 403 `field_not_allowed`.
    """
    if "admin" not in claims.roles and fields & ADMIN_FIELDS:
        names = ", ".join(sorted(fields & ADMIN_FIELDS))
        raise Problem(403, "field_not_allowed", f"only an administrator may set {names}")
