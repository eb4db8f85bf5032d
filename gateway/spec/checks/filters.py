"""Filters in their chain: what they refer to, what must run before them, and what they need from the match."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.spec.checks.authorization import check_ip_access, check_policy, reads_claims
from gateway.spec.checks.browsers import check_cors, check_csrf
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.checks.identity import (
    check_api_key,
    check_certificates,
    check_external,
    check_introspection,
    check_jwt,
    check_told,
)
from gateway.spec.filters import (
    ApiKey,
    AuthorizationPolicy,
    Authorize,
    Cors,
    Csrf,
    Dpop,
    ExternalAuthorization,
    IpAccess,
    Jwt,
    RateLimit,
    RequestRedirect,
    TokenIntrospection,
    UrlRewrite,
)
from gateway.spec.models import FilterSpec, Route, Spec


def check_filters(spec: Spec, authenticating: frozenset[str]) -> Iterator[Finding]:
    """Every chain: the filters of the whole file first, then the route's own."""
    known = {provider.name: provider.issuer for provider in spec.providers}
    clusters = tuple(cluster.name for cluster in spec.clusters)
    for index, item in enumerate(spec.filters):
        yield from _check_alone(item, known, clusters, ("filters", index))
    yield from _check_chain(spec.filters, (), ("filters",), authenticating)
    for index, route in enumerate(spec.routes):
        path: Path = ("routes", index, "filters")
        for place, item in enumerate(route.filters):
            yield from _check_alone(item, known, clusters, (*path, place))
            yield from _check_prefix(item, route, (*path, place))
        yield from _check_chain(route.filters, spec.filters, path, authenticating)
    yield from check_told(spec)
    yield from check_certificates(spec)


def _check_alone(
    item: FilterSpec, known: Mapping[str, str], clusters: tuple[str, ...], path: Path
) -> Iterator[Finding]:
    match item:
        case Jwt():
            yield from check_jwt(item, known, path)
        case ApiKey():
            yield from check_api_key(item, path)
        case TokenIntrospection():
            yield from check_introspection(item, clusters, path)
        case ExternalAuthorization():
            yield from check_external(item, clusters, path)
        case Authorize():
            if not item.scopes and not item.claims:
                yield Finding(path, "requires neither scopes nor claims, so it would let every token pass")
        case AuthorizationPolicy():
            yield from check_policy(item, path)
        case IpAccess():
            yield from check_ip_access(item, path)
        case Cors():
            yield from check_cors(item, path)
        case Csrf():
            yield from check_csrf(item, path)
        case RateLimit():
            yield from _check_limit(item, path)


def _check_limit(limit: RateLimit, path: Path) -> Iterator[Finding]:
    needs_name = limit.key.type in ("Claim", "Header")
    if needs_name and not limit.key.name:
        yield Finding((*path, "key"), f"a key of type {limit.key.type} needs the name of the {limit.key.type.lower()}")
    if not needs_name and limit.key.name:
        yield Finding((*path, "key", "name"), f"a key of type {limit.key.type} has no name")
    if limit.per == 0:
        yield Finding((*path, "per"), "must be longer than 0s")


def _check_chain(
    filters: tuple[FilterSpec, ...], before: tuple[FilterSpec, ...], path: Path, authenticating: frozenset[str]
) -> Iterator[Finding]:
    """Order and names within one chain, of which `before` is the part that is checked elsewhere."""
    verified = any(item.type in authenticating for item in before)
    limits = {item.name for item in before if isinstance(item, RateLimit)}
    ways = ", ".join(sorted(authenticating))
    for index, item in enumerate(filters):
        if verified and item.type in authenticating:
            yield Finding((*path, index), "a filter before it authenticates already: who would the request come from?")
        if isinstance(item, Cors) and any(isinstance(one, Cors) for one in (*before, *filters[:index])):
            yield Finding((*path, index), "a CORS filter before it has answered already; a chain has one")
        if verified and isinstance(item, Cors):
            yield Finding((*path, index), "browsers ask without a token: put it before the filter that authenticates")
        verified = verified or item.type in authenticating
        if isinstance(item, Dpop) and not any(isinstance(one, Jwt) and one.dpop for one in (*before, *filters[:index])):
            yield Finding((*path, index), "proves nothing: a JWT filter with `dpop: true` stands before it")
        if isinstance(item, Jwt) and item.dpop and not any(isinstance(one, Dpop) for one in filters[index + 1 :]):
            yield Finding((*path, index, "dpop"), "nobody asks for the proof: put a DPoP filter after it")
        if not verified and _needs_claims(item):
            yield Finding((*path, index), f"reads claims: put a filter that authenticates before it ({ways})")
        if isinstance(item, RateLimit):
            if item.name in limits:
                yield Finding(
                    (*path, index, "name"),
                    f'rate limit "{item.name}" exists already on this route; give it another name',
                )
            limits.add(item.name)


def _needs_claims(item: FilterSpec) -> bool:
    if isinstance(item, AuthorizationPolicy):
        return reads_claims(item)
    return isinstance(item, Authorize) or (isinstance(item, RateLimit) and item.key.type == "Claim")


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
