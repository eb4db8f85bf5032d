"""Who may ask for what: scopes by role and by client.

The problem: rights that are scattered over handlers cannot be reviewed. The rule: this table is all of it, and a
token never carries more than it says, whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

_CUSTOMER = frozenset({"orders:read", "orders:write", "profiles:read", "profiles:write"})
_SUPPORT = frozenset({"orders:read", "profiles:read", "profiles:recover", "reports:read", "shipping:write"})

ROLE_SCOPES: dict[str, frozenset[str]] = {
    "customer": _CUSTOMER,
    "support": _SUPPORT,
    "admin": _CUSTOMER | _SUPPORT | {"products:write", "keys:rotate", "reports:rebuild"},
}
CLIENT_SCOPES: dict[str, frozenset[str]] = {
    "partner": frozenset({"orders:read"}),
    "profiles": frozenset({"credentials:reset"}),
    "reports": frozenset({"orders:read", "orders:read-all"}),
}
OUTSIDE_CLIENTS = frozenset({"partner"})
"""They may not introspect: that would let an outsider test stolen tokens (RFC 7662 section 4)."""

USER_ROLES = {"alice": "customer", "bob": "customer", "carol": "support", "admin": "admin"}
"""The demo users' roles; users that are not named here are customers."""

FIRST_PARTY_CLIENT = "shop"
"""The public client (RFC 6749 section 2.1) that a login belongs to; it has no secret."""

ALL_SCOPES = frozenset[str]().union(*ROLE_SCOPES.values(), *CLIENT_SCOPES.values())


def narrow(asked: str, granted: AbstractSet[str]) -> frozenset[str] | None:
    """The scopes of a token: all that are granted, or the asked ones; None if more is asked than granted."""
    wanted = frozenset(asked.split())
    if not wanted:
        return frozenset(granted)
    return wanted if wanted <= granted else None


def scope_text(scopes: AbstractSet[str]) -> str:
    """As it stands in a token: sorted, separated by spaces (RFC 6749 section 3.3)."""
    return " ".join(sorted(scopes))
