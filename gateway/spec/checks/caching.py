"""Caches and compression in their chain: who must have spoken before an answer from memory, and what the service sees.

The rule: a filter behind the cache is not asked about what comes from memory, so only such may stand there as neither
decide who may have an answer nor say anything on it that belongs to one client. Everything else, and every type that is
not known here, stands in front.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.spec.caching import Cache, Compression
from gateway.spec.checks.clusters import reference
from gateway.spec.checks.finding import Finding, Path, duplicates
from gateway.spec.filters import ExternalAuthorization, RequestHeaderModifier
from gateway.spec.mediation import Mediation
from gateway.spec.models import FilterSpec, Route, Spec

MAY_STAND_BEHIND: Final = frozenset(
    (
        "ConcurrencyLimit",
        "InternalToken",
        "OpenApiValidation",
        "Quota",
        "RateLimit",
        "RequestHeaderModifier",
        "RequestMirror",
        "ResponseHeaderModifier",
        "SidecarSecret",
        "SizeLimit",
        "URLRewrite",
    )
)
LARGEST_SHARE: Final = 8
"""An answer takes at most so small a part of the memory, so that none pushes out all others."""
FORWARDED: Final = frozenset(("accept", "accept-language", "authorization", "cache-control", "cookie", "user-agent"))


def check_caches(spec: Spec) -> Iterator[Finding]:
    """The memories, and each chain in which one is used."""
    yield from duplicates((one.name for one in spec.caches), ("caches",), "cache")
    for index, one in enumerate(spec.caches):
        if one.max_object_bytes * LARGEST_SHARE > one.max_bytes:
            message = f"one answer may take at most an eighth of maxBytes: {one.max_bytes // LARGEST_SHARE}"
            yield Finding(("caches", index, "maxObjectBytes"), message)
    names = tuple(one.name for one in spec.caches)
    chains: list[tuple[tuple[FilterSpec, ...], tuple[FilterSpec, ...], Path]] = [((), spec.filters, ("filters",))]
    chains += [(spec.filters, route.filters, ("routes", index, "filters")) for index, route in enumerate(spec.routes)]
    for before, own, path in chains:
        for place, item in enumerate(own):
            if isinstance(item, Cache):
                yield from reference(item.cache, names, "cache", (*path, place, "cache"))
        yield from _check_order(before, own, path)
    for index, route in enumerate(spec.routes):
        yield from _check_canary(route, spec.filters, ("routes", index, "canary", "header", "name"))


def _check_canary(route: Route, before: tuple[FilterSpec, ...], path: Path) -> Iterator[Finding]:
    """What chooses the version must be in the key, or one caller's choice is everybody's answer."""
    header = route.canary.header if route.canary is not None else None
    caches = [item for item in (*before, *route.filters) if isinstance(item, Cache)]
    if header is not None and any(header.name not in one.headers for one in caches):
        yield Finding(path, f'the header "{header.name}" chooses the answer: list it in the `headers` of the Cache')


def _check_order(before: tuple[FilterSpec, ...], own: tuple[FilterSpec, ...], path: Path) -> Iterator[Finding]:
    """`before` are filters of the whole file, which are checked elsewhere."""
    cache = next((item for item in before if isinstance(item, Cache)), None)
    compresses = any(isinstance(item, Compression) for item in before)
    for place, item in enumerate(own):
        if isinstance(item, Compression):
            if compresses:
                yield Finding((*path, place), "a Compression filter before it does this already")
            compresses = True
        if cache is not None:
            yield from _behind(item, cache, (*path, place))
        elif isinstance(item, Cache):
            cache = item
            for other in (*before, *own[:place]):
                yield from _told(other, cache, (*path, place, "headers"))


def _behind(item: FilterSpec, cache: Cache, path: Path) -> Iterator[Finding]:
    if isinstance(item, Cache):
        yield Finding(path, "a chain has one Cache, and one stands before it")
    elif isinstance(item, Mediation) and not item.needs_claims:
        return  # what is kept is what it has made, and what it takes is in the key
    elif item.type not in MAY_STAND_BEHIND:
        yield Finding(path, f"{item.type} stands behind the Cache, which answers without asking it: put it in front")


def _told(item: FilterSpec, cache: Cache, path: Path) -> Iterator[Finding]:
    """What a filter in front gives the service must be in the key, or it does not arrive."""
    names: list[str] = [one.header for one in getattr(item, "claims_to_headers", ())]
    if isinstance(item, ExternalAuthorization):
        names += item.allowed_upstream_headers
    if isinstance(item, RequestHeaderModifier):
        names += [one.name for one in (*item.set, *item.add)]
    for name in names:
        if name.lower() not in FORWARDED and name not in cache.headers:
            how = "list it, so that it is in the key" + (
                ", or put the filter behind" if isinstance(item, RequestHeaderModifier) else ""
            )
            yield Finding(path, f'the service would not get the header "{name}" of {item.type}: {how}')
