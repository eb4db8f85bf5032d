"""Keys of an issuer that are believed for long after it has withdrawn them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.model import Check, Found, System

LONG: Final = 900.0
"""Seconds."""


def find(system: System) -> Iterator[Found]:
    """Providers whose keys are fetched less often than every quarter of an hour."""
    for index, provider in enumerate(system.spec.providers):
        if provider.jwks.refresh > LONG:
            told = f"keys are fetched every {provider.jwks.refresh / 60:.0f} minutes"
            yield Found(("providers", index, "jwks", "refresh"), f"provider {provider.name}", told)


CHECK = Check(
    id="slow-key-refresh",
    severity="low",
    title="An issuer's keys are refreshed seldom",
    why="A key that leaked and was withdrawn signs tokens that are believed here until the next refresh.",
    fix="Set `jwks.refresh` to 5 to 10 minutes; unknown keys are asked for at once in any case.",
    owasp="API2:2023",
    find=find,
)
