"""Every route is either public or protected, and says which.

The problem: Envoy's jwt_authn lets requests pass that no rule names; a forgotten route is then an open one. The rule:
fail closed. A route without authentication must say `public: true`; one that says so must have none. A policy all of
whose ALLOW rules name principals authenticates, too: by the client's certificate; and so does a service that is asked
for each request, unless everything passes while it is away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.spec.checks.finding import Finding
from gateway.spec.filters import AuthorizationPolicy, ExternalAuthorization
from gateway.spec.models import FilterSpec, Spec


def check_protection(spec: Spec, authenticating: Collection[str]) -> Iterator[Finding]:
    """Routes that are neither or both; filters of the whole file count for every route."""
    wholly = any(proves_identity(item, authenticating) for item in spec.filters)
    for index, route in enumerate(spec.routes):
        protected = wholly or any(proves_identity(item, authenticating) for item in route.filters)
        if not protected and not route.public:
            ways = ", ".join(sorted(authenticating))
            message = (
                f"route is neither public nor protected: add `public: true` or a filter that authenticates ({ways})"
            )
            yield Finding(("routes", index), message)
        elif protected and route.public:
            message = "route is public and protected at once: remove `public: true` or the filter that authenticates"
            yield Finding(("routes", index, "public"), message)


def proves_identity(item: FilterSpec, authenticating: Collection[str]) -> bool:
    """Whether only somebody known passes: by the filter's type, by certificates, or because somebody else says so."""
    if isinstance(item, AuthorizationPolicy):
        return item.proves_identity
    if isinstance(item, ExternalAuthorization):
        return not item.failure_mode_allow
    return item.type in authenticating
