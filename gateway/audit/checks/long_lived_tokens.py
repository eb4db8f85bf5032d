"""Tokens that are good for longer than anybody remembers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.model import Check, Found, Severity, System

LONG: Final = 3_600.0
"""Seconds (RFC 6750 section 5.3)."""
VERY_LONG: Final = 86_400.0


def find(system: System) -> Iterator[Found]:
    """The longest lifetime (`exp` minus `iat`) among the tokens that were verified lately."""
    seconds = max(system.running.token_seconds, default=0.0) if system.running else 0.0
    if seconds > LONG:
        told = f"a token was seen that had been issued for {seconds / 3600:.1f} hours"
        providers = system.spec.providers
        only_one = len(providers) == 1  # else it is not known whose token it was
        severity: Severity | None = "high" if seconds > VERY_LONG else None
        if providers and all(one.revocation for one in providers):
            told, severity = f"{told}; it can be taken back", "low"
        yield Found(("providers", 0) if only_one else (), "tokens", told, severity)


CHECK = Check(
    id="long-lived-tokens",
    severity="medium",
    title="Access tokens live for long",
    why="Whoever steals one can use it until it expires, unless somebody notices and it can be taken back.",
    fix="Let the issuer give access tokens of minutes (RFC 6750 section 5.3: an hour or less), with a refresh token "
    "beside them.",
    owasp="API2:2023",
    find=find,
    needs_running=True,
    comes_and_goes=True,
)
