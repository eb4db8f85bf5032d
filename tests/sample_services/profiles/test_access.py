import pytest

from sample_services.kit.auth import Claims
from sample_services.kit.problems import Problem
from sample_services.profiles.access import RULES, permit, permit_fields

_SCOPES = {
    "customer": "profiles:read profiles:write orders:read",
    "support": "profiles:read profiles:recover",
    "admin": "profiles:read profiles:write profiles:recover",
    "partner": "orders:read",
}


def _claims(subject: str, role: str) -> Claims:
    return Claims(subject, frozenset(_SCOPES[role].split()), frozenset({role}), "shop", 0.0, "token")


def _refusal(claims: Claims, operation: str, username: str) -> str | None:
    try:
        permit(claims, operation, username)
    except Problem as problem:
        return f"{problem.status} {problem.reason}"
    return None


@pytest.mark.parametrize(
    ("subject", "role", "username", "allowed"),
    [
        ("alice", "customer", "alice", {"create", "read", "update", "drop"}),
        ("alice", "customer", "bob", set()),
        ("carol", "support", "alice", {"read", "recover"}),
        ("admin", "admin", "alice", {"create", "read", "update", "drop", "recover"}),
        ("partner", "partner", "partner", set()),
    ],
)
def test_who_may_do_what(subject: str, role: str, username: str, allowed: set[str]) -> None:
    claims = _claims(subject, role)
    assert {operation for operation in RULES if _refusal(claims, operation, username) is None} == allowed


def test_the_reason_tells_a_missing_scope_from_anothers_profile() -> None:
    alice = _claims("alice", "customer")
    assert _refusal(alice, "read", "bob") == "403 not_owner"
    assert _refusal(alice, "recover", "alice") == "403 insufficient_scope"


def test_only_admins_give_points() -> None:
    permit_fields(_claims("admin", "admin"), {"loyalty_points"})
    permit_fields(_claims("alice", "customer"), {"city", "email"})
    with pytest.raises(Problem, match="field_not_allowed"):
        permit_fields(_claims("alice", "customer"), {"city", "loyalty_points"})
