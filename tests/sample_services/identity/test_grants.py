"""The table of rights."""

from __future__ import annotations

import pytest

from sample_services.identity.grants import CLIENT_SCOPES, ROLE_SCOPES, narrow


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", {"a", "b"}),
        ("a", {"a"}),
        ("b a a", {"a", "b"}),
        ("a c", None),
        ("A", None),
    ],
)
def test_never_more_than_granted(asked: str, expected: set[str] | None) -> None:
    assert narrow(asked, frozenset({"a", "b"})) == expected


def test_who_may_do_the_dangerous_things() -> None:
    holders = {
        scope: {role for role, scopes in (ROLE_SCOPES | CLIENT_SCOPES).items() if scope in scopes}
        for scope in (
            "keys:rotate",
            "products:write",
            "profiles:recover",
            "credentials:reset",
            "orders:write",
            "orders:read-all",
            "reports:read",
            "reports:rebuild",
            "shipping:write",
        )
    }
    assert holders == {
        "keys:rotate": {"admin"},
        "products:write": {"admin"},
        "profiles:recover": {"support", "admin"},
        "credentials:reset": {"profiles"},
        "orders:write": {"customer", "admin"},
        "orders:read-all": {"reports"},
        "reports:read": {"support", "admin"},
        "reports:rebuild": {"admin"},
        "shipping:write": {"support", "admin"},
    }
