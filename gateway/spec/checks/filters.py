"""Filters in their chain: what they refer to, what must run before them, and what they need from the match."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.spec.checks.clusters import reference
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.filters import (
    Authorize,
    ConcurrencyLimit,
    Jwt,
    LimitSpec,
    Quota,
    RateLimit,
    RateLimitKey,
    RequestRedirect,
    SizeLimit,
    UrlRewrite,
)
from gateway.spec.guards import GraphQLGuard, SoapGuard
from gateway.spec.models import FilterSpec, Route, Spec


def check_filters(spec: Spec, authenticating: frozenset[str]) -> Iterator[Finding]:
    """Every chain: the filters of the whole file first, then the route's own."""
    providers = tuple(provider.name for provider in spec.providers)
    stores = tuple(store.name for store in spec.stores)
    for index, item in enumerate(spec.filters):
        yield from _check_alone(item, providers, stores, ("filters", index))
    yield from _check_chain(spec.filters, (), ("filters",), authenticating)
    for index, route in enumerate(spec.routes):
        path: Path = ("routes", index, "filters")
        for place, item in enumerate(route.filters):
            yield from _check_alone(item, providers, stores, (*path, place))
            yield from _check_prefix(item, route, (*path, place))
        yield from _check_chain(route.filters, spec.filters, path, authenticating)


def _check_alone(
    item: FilterSpec, providers: tuple[str, ...], stores: tuple[str, ...], path: Path
) -> Iterator[Finding]:
    if isinstance(item, Jwt):
        yield from reference(item.provider, providers, "provider", (*path, "provider"))
    if isinstance(item, LimitSpec | ConcurrencyLimit):
        yield from _check_key(item.key, (*path, "key"))
    if isinstance(item, LimitSpec):
        yield from _check_store(item, stores, path)
    if isinstance(item, RateLimit | Quota) and item.per == 0:
        yield Finding((*path, "per"), "must be longer than 0s")
    if isinstance(item, Quota):
        empty = (name for name, plan in item.plans.items() if plan.per == 0)
        yield from (Finding((*path, "plans", name, "per"), "must be longer than 0s") for name in empty)
    if isinstance(item, SizeLimit) and item.max_request_bytes is None and item.max_response_bytes is None:
        yield Finding(path, "limits nothing: give maxRequestBytes, maxResponseBytes, or both")
    for place, message in item.mistakes():
        yield Finding((*path, *place), message)
    if isinstance(item, Authorize) and not item.scopes and not item.claims:
        yield Finding(path, "requires neither scopes nor claims, so it would let every token pass")


def _check_key(key: RateLimitKey, path: Path) -> Iterator[Finding]:
    needs_name = key.type in ("Claim", "Header")
    if needs_name and not key.name:
        yield Finding(path, f"a key of type {key.type} needs the name of the {key.type.lower()}")
    if not needs_name and key.name:
        yield Finding((*path, "name"), f"a key of type {key.type} has no name")


def _check_store(limit: LimitSpec, stores: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """Nobody can guess for others whether a store that is away should open or close."""
    if limit.store is not None:
        yield from reference(limit.store, stores, "store", (*path, "store"))
        if limit.on_store_failure is None:
            yield Finding(
                (*path, "store"), "say what happens while it is away: onStoreFailure: fail_open or fail_closed"
            )
    elif limit.on_store_failure is not None:
        yield Finding((*path, "onStoreFailure"), "without a store there is none that could fail")


def _check_chain(
    filters: tuple[FilterSpec, ...], before: tuple[FilterSpec, ...], path: Path, authenticating: frozenset[str]
) -> Iterator[Finding]:
    """Order and names within one chain, of which `before` is the part that is checked elsewhere."""
    verified = any(item.type in authenticating for item in before)
    limits = {item.name for item in before if isinstance(item, LimitSpec | ConcurrencyLimit)}
    ways = " or ".join(sorted(authenticating))
    for index, item in enumerate(filters):
        verified = verified or item.type in authenticating
        if not verified and _needs_claims(item):
            yield Finding((*path, index), f"reads claims of a verified token: put a {ways} filter before it")
        if isinstance(item, LimitSpec | ConcurrencyLimit):
            if item.name in limits:
                yield Finding(
                    (*path, index, "name"),
                    f'limit "{item.name}" exists already on this route; give it another name',
                )
            limits.add(item.name)


def _needs_claims(item: FilterSpec) -> bool:
    if isinstance(item, GraphQLGuard | SoapGuard):
        return item.needs_claims
    by_plan = isinstance(item, Quota) and bool(item.plans)
    by_claim = isinstance(item, LimitSpec | ConcurrencyLimit) and item.key.type == "Claim"
    return by_plan or by_claim or isinstance(item, Authorize)


def _check_prefix(item: FilterSpec, route: Route, path: Path) -> Iterator[Finding]:
    """ReplacePrefixMatch needs a matched prefix (Gateway API: HTTPPathModifier), or one that every path begins with."""
    if not isinstance(item, UrlRewrite | RequestRedirect) or item.path is None:
        return
    prefix = item.path.prefix
    if item.path.type == "ReplaceFullPath":
        if prefix is not None:
            yield Finding((*path, "path", "prefix"), "ReplaceFullPath replaces the whole path: take the prefix out")
    elif prefix is None:
        if any(match.path.type != "PathPrefix" for match in route.matches):
            message = "ReplacePrefixMatch needs matches of type PathPrefix, or a prefix: what is to be replaced?"
            yield Finding((*path, "path", "type"), message)
    elif not all(f"{match.path.value}/".startswith(f"{prefix.rstrip('/')}/") for match in route.matches):
        yield Finding((*path, "path", "prefix"), "a match of this route does not begin with it")
