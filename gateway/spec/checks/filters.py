"""Filters in their chain: what they refer to, what must run before them, and what they need from the match."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from gateway.spec.checks.authorization import check_ip_access, check_policy, reads_claims
from gateway.spec.checks.browsers import check_cors, check_csrf
from gateway.spec.checks.canaries import check_mirror
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.checks.identity import (
    check_api_key,
    check_certificates,
    check_external,
    check_internal_tokens,
    check_introspection,
    check_jwt,
    check_told,
)
from gateway.spec.checks.limits import check_limit, check_operations, check_sizes, check_store, counts_by_claims
from gateway.spec.checks.mediation import check_mediation
from gateway.spec.errors import fault
from gateway.spec.filters import (
    ApiKey,
    AuthorizationPolicy,
    Authorize,
    ConcurrencyLimit,
    Cors,
    Csrf,
    Dpop,
    ExternalAuthorization,
    InternalToken,
    IpAccess,
    Jwt,
    LimitSpec,
    RateLimit,
    RequestMirror,
    RequestRedirect,
    SizeLimit,
    TokenIntrospection,
    UrlRewrite,
)
from gateway.spec.guards import GraphQLGuard, SoapGuard
from gateway.spec.mediation import Mediation
from gateway.spec.models import FilterSpec, Route, Spec
from gateway.spec.validation import OpenApiValidation
from gateway.spec.webhooks import WebhookSignature


class Known(NamedTuple):
    """What filters may refer to."""

    issuers: Mapping[str, str]
    """By provider."""
    clusters: tuple[str, ...]
    stores: tuple[str, ...]


def check_filters(spec: Spec, authenticating: Collection[str]) -> Iterator[Finding]:
    """Every chain: the filters of the whole file first, then the route's own."""
    known = Known(
        {provider.name: provider.issuer for provider in spec.providers},
        tuple(cluster.name for cluster in spec.clusters),
        tuple(store.name for store in spec.stores),
    )
    for index, item in enumerate(spec.filters):
        yield from _check_alone(item, known, ("filters", index))
    yield from _check_chain(spec.filters, (), ("filters",), authenticating)
    for index, route in enumerate(spec.routes):
        path: Path = ("routes", index, "filters")
        for place, item in enumerate(route.filters):
            yield from _check_alone(item, known, (*path, place))
            yield from _check_prefix(item, route, (*path, place))
        yield from _check_chain(route.filters, spec.filters, path, authenticating)
        yield from check_mediation(route, spec.filters, ("routes", index))
    yield from check_told(spec)
    yield from check_certificates(spec)
    yield from check_internal_tokens(spec)


def _own_mistakes(item: FilterSpec, path: Path) -> Iterator[Finding]:
    """What the filter itself finds wrong, also when that is somebody's own and fails."""
    try:
        yield from (Finding((*path, *place), message) for place, message in item.mistakes())
    except Exception as error:
        yield Finding(path, f"it cannot be checked: `mistakes` of {item.type} failed: {fault(error)}")


def _check_alone(item: FilterSpec, known: Known, path: Path) -> Iterator[Finding]:
    yield from _own_mistakes(item, path)
    match item:
        case Jwt():
            yield from check_jwt(item, known.issuers, path)
        case ApiKey():
            yield from check_api_key(item, path)
        case TokenIntrospection():
            yield from check_introspection(item, known.clusters, path)
        case ExternalAuthorization():
            yield from check_external(item, known.clusters, path)
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
        case LimitSpec() | ConcurrencyLimit():
            yield from check_limit(item, known.stores, path)
        case SizeLimit():
            yield from check_sizes(item, path)
        case WebhookSignature() | Dpop():
            yield from check_store(item, known.stores, path)
        case RequestMirror():
            yield from check_mirror(item, known.clusters, path)


def _check_chain(
    filters: tuple[FilterSpec, ...], before: tuple[FilterSpec, ...], path: Path, authenticating: Collection[str]
) -> Iterator[Finding]:
    """Order and names within one chain, of which `before` is the part that is checked elsewhere."""
    verified = any(item.type in authenticating for item in before)
    limits = {item.name for item in before if isinstance(item, LimitSpec | ConcurrencyLimit)}
    for index, item in enumerate(filters):
        if verified and item.type in authenticating:
            yield Finding((*path, index), "a filter before it authenticates already: who would the request come from?")
        if isinstance(item, Cors) and any(isinstance(one, Cors) for one in (*before, *filters[:index])):
            yield Finding((*path, index), "a CORS filter before it has answered already; a chain has one")
        if verified and isinstance(item, Cors):
            yield Finding((*path, index), "browsers ask without a token: put it before the filter that authenticates")
        if isinstance(item, OpenApiValidation) and any(
            isinstance(one, OpenApiValidation) for one in (*before, *filters[:index])
        ):
            yield Finding(
                (*path, index), "an OpenApiValidation before it holds requests to a document already; a chain has one"
            )
        verified = verified or item.type in authenticating
        exchanged = any(isinstance(one, InternalToken) for one in (*before, *filters[:index]))
        if exchanged and isinstance(item, InternalToken):
            yield Finding((*path, index), "a filter before it has made a token already; a chain has one")
        if exchanged and isinstance(item, Dpop):
            yield Finding((*path, index), "the caller's token is replaced before it: put it before InternalToken")
        if isinstance(item, Dpop) and not any(isinstance(one, Jwt) and one.dpop for one in (*before, *filters[:index])):
            yield Finding((*path, index), "proves nothing: a JWT filter with `dpop: true` stands before it")
        if isinstance(item, Jwt) and item.dpop and not any(isinstance(one, Dpop) for one in filters[index + 1 :]):
            yield Finding((*path, index, "dpop"), "nobody asks for the proof: put a DPoP filter after it")
        if not verified and _needs_claims(item):
            ways = ", ".join(sorted(authenticating))
            yield Finding((*path, index), f"reads claims: put a filter that authenticates before it ({ways})")
        if isinstance(item, RateLimit):
            for wrong in check_operations(item, (*before, *filters[:index])):
                yield Finding((*path, index, "operations"), wrong)
        if isinstance(item, LimitSpec | ConcurrencyLimit):
            if item.name in limits:
                yield Finding(
                    (*path, index, "name"),
                    f'rate limit "{item.name}" exists already on this route; give it another name',
                )
            limits.add(item.name)


def _needs_claims(item: FilterSpec) -> bool:
    if isinstance(item, GraphQLGuard | SoapGuard | Mediation):
        return item.needs_claims
    if isinstance(item, AuthorizationPolicy):
        return reads_claims(item)
    if isinstance(item, LimitSpec | ConcurrencyLimit):
        return counts_by_claims(item)
    return isinstance(item, Authorize | InternalToken)


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
