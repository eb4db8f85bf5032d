"""Acceptances that excuse nothing."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Nothing by itself: which acceptances were used is known when all other checks are through (`report`)."""
    return iter(())


CHECK = Check(
    id="stale-acceptance",
    severity="info",
    title="An accepted weakness is not there",
    why="What it excused is mended or misspelled; left standing, it would excuse the next one unseen.",
    fix="Take it out of `auditAccept`.",
    find=find,
)
