"""Which of the two GraphQL media types does the client get?

`application/graphql-response+json` says "this is a GraphQL response", so its HTTP status can tell the truth.
`application/json` may come from any proxy on the way, so old clients trust it only with 200, and errors of a
well-formed request hide behind that. (https://graphql.github.io/graphql-over-http/draft/#sec-Media-Types)

The rule: what the Accept header prefers (RFC 9110 §12.5.1); between equals, or without the header, the new type.
"""

from __future__ import annotations

from typing import Final

GRAPHQL: Final = "application/graphql-response+json"
JSON: Final = "application/json"


def media_type(accept: str) -> str | None:
    """The media type to answer with, or None when the client takes neither (406)."""
    wanted = [_read(item) for item in accept.split(",") if item.strip()] or [("*/*", 1.0)]
    quality = {offer: _quality(offer, wanted) for offer in (GRAPHQL, JSON)}
    best = max(quality, key=quality.__getitem__)  # the first of equals
    return best if quality[best] > 0 else None


def _read(item: str) -> tuple[str, float]:
    """`text/html;level=1;q=0.5` → ("text/html", 0.5); a quality that is not a number counts as 0."""
    range_, *parameters = (part.strip().lower() for part in item.split(";"))
    quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
    try:
        return range_, min(max(float(quality), 0.0), 1.0)
    except ValueError:
        return range_, 0.0


def _quality(offer: str, wanted: list[tuple[str, float]]) -> float:
    """The most specific range that matches decides, whatever the order."""
    for matching in (offer, "application/*", "*/*"):
        for range_, quality in wanted:
            if range_ == matching:
                return quality
    return 0.0
