"""Services that get the caller's own token, which is good elsewhere, too."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import chain, routes
from gateway.audit.model import Check, Found, System
from gateway.spec.filters import InternalToken, Jwt, RequestHeaderModifier, TokenIntrospection
from gateway.spec.models import FilterSpec, Route


def find(system: System) -> Iterator[Found]:
    """Routes with tokens that neither replace nor remove them; an issuer may see its own."""
    for path, route in routes(system):
        filters = chain(system, route)
        tokens = [one for one in filters if isinstance(one, Jwt | TokenIntrospection)]
        if not tokens or any(_ends_here(one) for one in filters):
            continue
        strangers = sorted(_clusters(route) - _issuers(system, tokens))
        if strangers:
            told = f"{', '.join(strangers)} gets the caller's token"
            yield Found((*path, "filters"), f"route {route.name}", told)


def _ends_here(one: FilterSpec) -> bool:
    if isinstance(one, RequestHeaderModifier):
        return "authorization" in (*one.remove, *(header.name for header in one.set))
    return isinstance(one, InternalToken)


def _clusters(route: Route) -> set[str]:
    return {ref.cluster for ref in route.backend_refs}


def _issuers(system: System, tokens: list[Jwt | TokenIntrospection]) -> set[str]:
    """The clusters of those who issued the tokens."""
    named = {name for one in tokens if isinstance(one, Jwt) for name in one.all_providers}
    own = {one.jwks.cluster for one in system.spec.providers if one.name in named}
    return own | {one.cluster for one in tokens if isinstance(one, TokenIntrospection)}


CHECK = Check(
    id="token-passed-on",
    severity="low",
    title="A service gets the caller's own token",
    why="It is good for everything that the caller may do, until it expires: whoever takes over that service, or reads "
    "its logs, can use it here again.",
    fix="Put an InternalToken filter at the end of the chain: the service gets a short token for itself. Or remove "
    "Authorization, where it needs none.",
    owasp="API2:2023",
    find=find,
)
