"""Content negotiation after RFC 9110 §12.5.1."""

from __future__ import annotations

import pytest

from sample_services.storefront.negotiation import GRAPHQL, JSON, media_type


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", GRAPHQL),
        ("*/*", GRAPHQL),
        ("application/*", GRAPHQL),
        (GRAPHQL, GRAPHQL),
        (JSON, JSON),
        (f"{GRAPHQL}, {JSON};q=0.9", GRAPHQL),
        (f"{JSON}, {GRAPHQL};q=0.9", JSON),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{JSON};charset=utf-8", JSON),
        (f"{GRAPHQL};q=0, */*", JSON),
        ("APPLICATION/JSON", JSON),
        ("text/html", None),
        (f"{JSON};q=0", None),
        (f"{JSON};q=nonsense", None),
        (", ,", GRAPHQL),
    ],
)
def test_media_type(accept: str, expected: str | None) -> None:
    assert media_type(accept) == expected
