"""Compressed answers to requests that browsers send in their user's name."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import by_type
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Compression filters with `cookies: true` (BREACH, CVE-2013-3587)."""
    for path, subject, keys in by_type(system, "Compression"):
        if keys.get("cookies") is True:
            yield Found((*path, "cookies"), subject, "answers to requests with cookies are compressed")


CHECK = Check(
    id="compressed-cookies",
    severity="medium",
    title="Answers to requests with cookies are compressed",
    why="Where such an answer holds a secret beside words of the request, its length tells the secret (BREACH).",
    fix="Remove `cookies: true`. Where answers repeat nothing of the request, or hold no secret, accept it.",
    owasp="API8:2023",
    find=find,
)
