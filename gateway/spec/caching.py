"""The configuration of the filters that keep answers and make them smaller: Cache and Compression.

The problem: a cache that guesses serves old answers, or those of somebody else. The rule: the answer says whether and
for how long it may be kept (RFC 9111); the configuration adds only what an answer cannot know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.fields import Duration, Flag, HeaderName, Integer, Name, Percent, spelled
from gateway.spec.models import FilterSpec

Mistakes = Iterator[tuple[tuple[str | int, ...], str]]

MediaType = Annotated[
    str,
    spelled(
        r"[a-z0-9!#$&^_.+-]{1,127}/(\*|\*?[a-z0-9!#$&^_.+-]{1,127})",
        "a media type in lower case: text/html, text/* for all of a kind, or application/*+json for a suffix",
    ),
]
ParameterName = Annotated[
    str, spelled(r"[A-Za-z0-9._~-]{1,128}", "a query parameter's name, as it stands in the query")
]

IDENTITY = ("authorization", "cookie")


class Cache(FilterSpec):
    """Keep answers as long as they say that they may be kept (RFC 9111, for a shared cache)."""

    type: Literal["Cache"] = "Cache"
    cache: Name
    """The memory, one of `caches`."""
    headers: tuple[HeaderName, ...] = ()
    """A part of the key. Of all others but a few standard ones the service sees nothing."""
    query: tuple[ParameterName, ...] | None = None
    """None: the whole query is a part of the key. Else only these parameters are, and the service sees no others."""
    client_directives: Literal["ignore", "respect"] = "ignore"
    """Whether a request may ask for a fresher answer than there is, or take an older one (RFC 9111 section 5.2.1)."""
    heuristic: Percent = 0.0
    """Freshness of answers that state only when they were changed, as a share of their age (RFC 9111 section 4.2.2)."""
    stale_while_revalidate: Duration = 0.0
    stale_if_error: Duration = 0.0
    """For answers that say nothing about it themselves (RFC 5861)."""
    coalesce: Flag = True
    """Whether requests for the same missing answer wait for one of them."""
    max_wait: Annotated[Duration, Field(gt=0, le=60.0)] = 5.0

    def mistakes(self) -> Mistakes:
        """Headers that say who somebody is."""
        for index, name in enumerate(self.headers):
            if name in IDENTITY:
                yield (
                    ("headers", index),
                    f"{name} says who asks: answers are shared between callers only if they say so",
                )


class Compression(FilterSpec):
    """Make answers smaller for clients that say they can read it (RFC 9110 section 12.5.3)."""

    type: Literal["Compression"] = "Compression"
    encodings: tuple[Literal["br", "gzip"], ...] = Field(("br", "gzip"), min_length=1, max_length=2)
    """The first one wins where a client likes several equally."""
    types: tuple[MediaType, ...] = Field(
        (
            "text/html",
            "text/css",
            "text/plain",
            "text/csv",
            "text/markdown",
            "text/xml",
            "text/javascript",
            "application/javascript",
            "application/json",
            "application/xml",
            "application/*+json",
            "application/*+xml",
            "image/svg+xml",
        ),
        min_length=1,
    )
    min_bytes: Integer = Field(1_024, ge=0)
    """Smaller answers are left alone, where their size is known."""
    level: Integer = Field(4, ge=1, le=9)
    """From fast to small."""
    cookies: Flag = False
    """Whether answers to requests with cookies are made smaller, too (BREACH)."""

    def mistakes(self) -> Mistakes:
        """An encoding that is named twice."""
        if len(set(self.encodings)) < len(self.encodings):
            yield ("encodings",), "an encoding is named twice"
