"""Who a request comes from: issuers that exist and can be told apart, and headers that no client can write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath

from gateway.http.hop import HOP_BY_HOP
from gateway.spec.api_keys import read_keys
from gateway.spec.checks.clusters import reference
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.filters import (
    ApiKey,
    AuthorizationPolicy,
    ExternalAuthorization,
    InternalToken,
    Jwks,
    Jwt,
    RequestHeaderModifier,
    TokenIntrospection,
)
from gateway.spec.models import FilterSpec, Spec
from gateway.spec.secrets import read_secret

_TAKEN = HOP_BY_HOP | {
    b"authorization", b"content-length", b"content-type", b"cookie", b"expect", b"forwarded", b"host", b"traceparent",
    b"tracestate", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-proto",
    b"x-real-ip", b"x-request-id", b"x-gatehouse-mirror",
}  # fmt: skip
"""Headers that mean something else, most of which the gateway sets itself."""

_CARRIED = {b"authorization", b"content-type", b"cookie", b"traceparent", b"tracestate", b"x-request-id"}
"""Those of them that one service may send to another."""


def check_jwt(item: Jwt, known: Mapping[str, str], path: Path) -> Iterator[Finding]:
    """One JWT filter; `known` are the issuers of all providers by the provider's name."""
    if (item.provider is None) == (not item.providers):
        yield Finding(path, "name either one provider, or several providers")
    places = [("provider",)] if item.provider is not None else [("providers", i) for i in range(len(item.providers))]
    if item.certificate_bound and item.dpop:
        yield Finding((*path, "dpop"), "a token is bound to a certificate or to a key, not to both")
    yield from _check_headers(item, path)
    issuers: set[str] = set()
    for name, place in zip(item.all_providers, places, strict=False):
        yield from reference(name, tuple(known), "provider", (*path, *place))
        if known.get(name) in issuers:
            message = f'provider "{name}" has the issuer of one before it: a token could not choose between them'
            yield Finding((*path, *place), message)
        issuers.update(known[name] for name in (name,) if name in known)


def check_api_key(item: ApiKey, path: Path) -> Iterator[Finding]:
    """One ApiKey filter: its file can be used, and its header is for keys."""
    try:
        read_keys(FilePath(item.keys))
    except ValueError as error:
        yield Finding((*path, "keys"), str(error))
    if item.header.encode() in _TAKEN:
        yield Finding((*path, "header"), f'header "{item.header}" is not for keys: it means something else')
    yield from _check_headers(item, path)


def check_introspection(item: TokenIntrospection, clusters: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """One TokenIntrospection filter: whom it asks, and the file with the secret to prove itself by."""
    yield from reference(item.cluster, clusters, "cluster", (*path, "cluster"))
    try:
        read_secret(FilePath(item.client_secret))
    except ValueError as error:
        yield Finding((*path, "clientSecret"), str(error))
    yield from _check_headers(item, path)


def check_external(item: ExternalAuthorization, clusters: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """One ExternalAuthorization filter: whom it asks, and what may pass between them."""
    yield from reference(item.cluster, clusters, "cluster", (*path, "cluster"))
    passed = {"allowedHeaders": item.allowed_headers, "allowedUpstreamHeaders": item.allowed_upstream_headers}
    for key, names in passed.items():
        for index, name in enumerate(names):
            if name.encode() in _TAKEN - _CARRIED:
                yield Finding((*path, key, index), f'header "{name}" is not passed on: the gateway sets it')


def _check_headers(item: Jwt | ApiKey | TokenIntrospection, path: Path) -> Iterator[Finding]:
    headers: set[str] = set()
    for index, told in enumerate(item.claims_to_headers):
        place: Path = (*path, "claimsToHeaders", index, "header")
        if told.header.encode() in _TAKEN:
            yield Finding(place, f'header "{told.header}" is not for claims: it means something else')
        if told.header in headers:
            yield Finding(place, f'header "{told.header}" gets a claim already')
        headers.add(told.header)


def check_internal_tokens(spec: Spec) -> Iterator[Finding]:
    """Whoever is given a token of ours must be able to verify it: some route answers with the keys."""
    places: list[tuple[FilterSpec, Path]] = [(item, ("filters", place)) for place, item in enumerate(spec.filters)]
    for index, route in enumerate(spec.routes):
        places += [(item, ("routes", index, "filters", place)) for place, item in enumerate(route.filters)]
    if any(isinstance(item, Jwks) for item, _ in places):
        return
    for item, path in places:
        if isinstance(item, InternalToken):
            yield Finding(path, "no service can verify its tokens: give a route on an internal listener {type: Jwks}")


def check_certificates(spec: Spec) -> Iterator[Finding]:
    """Whatever asks for a client's certificate stands on a route where some listener asks clients for one."""
    asking = {one.name for one in spec.listeners if one.tls is not None and one.tls.asks_for_certificates}
    for index, route in enumerate(spec.routes):
        if asking and (not route.listeners or asking & set(route.listeners)):
            continue
        places: list[tuple[FilterSpec, Path]] = [(item, ("filters", i)) for i, item in enumerate(spec.filters)]
        places += [(item, ("routes", index, "filters", i)) for i, item in enumerate(route.filters)]
        for item, path in places:
            if _needs_certificate(item):
                message = f"no listener of route {route.name} asks clients for a certificate (tls.clientCertificates)"
                yield Finding(path, message)


def _needs_certificate(item: FilterSpec) -> bool:
    if isinstance(item, Jwt | TokenIntrospection):
        return item.certificate_bound
    if isinstance(item, AuthorizationPolicy):
        return any(rule.principals for rule in (*item.deny, *item.allow))
    return False


def check_told(spec: Spec) -> Iterator[Finding]:
    """Where one route tells a cluster a claim by a header, no other route may bring that header from a client."""
    told: dict[str, set[str]] = {}
    copied = tuple(cluster for one in spec.filters for cluster in one.copies_to())
    for route in spec.routes:
        for cluster in (*route.destinations, *copied):
            told.setdefault(cluster, set()).update(_told((*spec.filters, *route.filters)))
    for index, route in enumerate(spec.routes):
        ours = _closed((*spec.filters, *route.filters))
        for cluster, name in sorted(_open((*route.destinations, *copied), told, ours)):
            message = (
                f'cluster "{cluster}" learns who asks by the header {name}, which clients could send by this route; '
                f"remove it: {{type: RequestHeaderModifier, remove: [{name}]}}"
            )
            yield Finding(("routes", index), message)


def _open(clusters: tuple[str, ...], told: Mapping[str, set[str]], closed: set[str]) -> set[tuple[str, str]]:
    return {(cluster, name) for cluster in clusters for name in told.get(cluster, set()) - closed}


def _told(filters: tuple[FilterSpec, ...]) -> set[str]:
    """The headers by which these filters tell the service who asks."""
    found: set[str] = set()
    for item in filters:
        if isinstance(item, Jwt | ApiKey | TokenIntrospection):
            found.update(one.header for one in item.claims_to_headers)
        elif isinstance(item, ExternalAuthorization):
            found.update(item.allowed_upstream_headers)
    return found


def _closed(filters: tuple[FilterSpec, ...]) -> set[str]:
    """The names that these filters take away from what the client sent."""
    modifiers = [item for item in filters if isinstance(item, RequestHeaderModifier)]
    removed = {name for item in modifiers for name in (*item.remove, *(one.name for one in item.set))}
    return removed | _told(filters)
