"""Issuers that cannot take a token back."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Providers that publish no revocations."""
    for index, provider in enumerate(system.spec.providers):
        if provider.revocation is None:
            yield Found(("providers", index), f"provider {provider.name}", "its tokens are good until they expire")


CHECK = Check(
    id="no-revocation",
    severity="info",
    title="An issuer's tokens cannot be taken back",
    why="After a theft or a log-out a token opens everything for the rest of its time.",
    fix="Give the provider `revocation`, where the issuer can publish what it takes back; or ask it for each token "
    "(TokenIntrospection). Where tokens live for minutes, accept it.",
    owasp="API2:2023",
    find=find,
)
