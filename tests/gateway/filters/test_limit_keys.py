"""Whose count it is, how long a key may be, and what of it may be shown."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.limit_keys import LONGEST_SHOWN, fingerprint, key_function, shown
from gateway.spec.filters import RateLimitKey


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (RateLimitKey(), "192.0.2.1"),
        (RateLimitKey(type="Header", name="X-Key"), "k"),
        (RateLimitKey(type="Header", name="X-Other"), None),
        (RateLimitKey(type="Claim", name="sub"), "anna"),
        (RateLimitKey(type="Claim", name="tenant"), "7"),
        (RateLimitKey(type="Claim", name="none"), None),
        (RateLimitKey(type="Route"), ""),
    ],
)
def test_where_a_key_comes_from(ask: Any, key: RateLimitKey, expected: str | None) -> None:
    request = ask("/", "X-Key: k")
    request.subject, request.claims = "anna", {"sub": "anna", "tenant": 7}
    assert key_function(key)(request) == expected


def test_no_claim_counts_before_a_token_is_verified(ask: Any) -> None:
    assert key_function(RateLimitKey(type="Claim", name="tenant"))(ask()) is None
    assert key_function(RateLimitKey(type="Claim", name="sub"))(ask()) is None


def test_long_keys_are_held_as_fingerprints(ask: Any) -> None:
    longest, longer = "x" * LONGEST_SHOWN, "x" * (LONGEST_SHOWN + 1)
    header = key_function(RateLimitKey(type="Header", name="X-Key"))
    assert header(ask("/", f"X-Key: {longest}")) == longest
    assert header(ask("/", f"X-Key: {longer}")) == fingerprint(longer)
    request = ask()
    request.claims = {"tenant": longer}
    assert key_function(RateLimitKey(type="Claim", name="tenant"))(request) == fingerprint(longer)


@pytest.mark.parametrize(
    ("kind", "key"), [("Header", "k"), ("Claim", "x" * 81), ("Claim", "a\x1b[2J"), ("Claim", "\ud800")]
)
def test_what_could_be_a_secret_or_hurt_a_reader_is_not_shown(kind: str, key: str) -> None:
    assert shown(kind, key) == fingerprint(key)
    assert key not in shown(kind, key)


def test_addresses_and_names_are_shown() -> None:
    assert [shown("Address", "2001:db8::/64"), shown("Claim", "anna")] == ["2001:db8::/64", "anna"]
