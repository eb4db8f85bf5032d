"""What no single model can decide: names, references, ports, and that every route is protected or public.

The rule: a check is a generator of findings over a Spec; it neither stops at the first mistake nor knows of files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain

from gateway.spec.checks.caching import check_caches
from gateway.spec.checks.clusters import check_clusters
from gateway.spec.checks.egress import check_egress
from gateway.spec.checks.filters import check_filters
from gateway.spec.checks.finding import Finding
from gateway.spec.checks.listeners import check_listeners
from gateway.spec.checks.matches import check_matches
from gateway.spec.checks.protection import check_protection
from gateway.spec.checks.routes import check_routes
from gateway.spec.checks.stores import check_stores
from gateway.spec.checks.tls import check_tls
from gateway.spec.checks.tries import check_tries
from gateway.spec.models import Spec

__all__ = ["Finding", "check"]


def check(spec: Spec, *, authenticating: Collection[str], answering: Collection[str], now: float) -> Iterator[Finding]:
    """Every mistake in `spec` that spans models.

    Args:
        authenticating: types of filters that let only authenticated requests pass.
        answering: types of filters that answer every request by themselves.
        now: seconds since the epoch, to judge certificates by.
    """
    return chain(
        check_listeners(spec),
        check_clusters(spec),
        check_egress(spec),
        check_stores(spec),
        check_routes(spec, answering),
        check_tries(spec),
        check_matches(spec),
        check_filters(spec, authenticating),
        check_caches(spec),
        check_protection(spec, authenticating),
        check_tls(spec, now),
    )
