"""What there is: every route with its owner, its state of life, who may call it, and how often.

The rule (OWASP API9:2023, improper inventory management): what nobody has written down nobody protects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.audit.chains import authenticates, chain, closed, enforced, limits, listeners_of
from gateway.audit.model import System
from gateway.control.match_text import match_text
from gateway.spec.checks.protection import proves_identity
from gateway.spec.filters import AuthorizationPolicy, Dpop
from gateway.spec.models import FilterSpec, Route


@dataclass(frozen=True, slots=True)
class Entry:
    """One route."""

    route: str
    where: str
    listeners: tuple[str, ...]
    hostnames: tuple[str, ...]
    matches: tuple[str, ...]
    clusters: tuple[str, ...]
    owner: str
    version: str
    lifecycle: str
    callers: str
    limits: tuple[str, ...]
    latest_requests: int | None
    """Of the requests that a running system remembers, how many it served; None for a file alone."""


def inventory(system: System) -> list[Entry]:
    """Every route, in the order of the file."""
    return [_entry(system, route) for route in system.spec.routes]


def _entry(system: System, route: Route) -> Entry:
    seen = None if system.running is None else sum(one.route == route.name for one in system.running.seen)
    return Entry(
        route=route.name,
        where=route.where,
        listeners=tuple(one.name for one in listeners_of(system, route)),
        hostnames=route.hostnames,
        matches=tuple(match_text(one.model_dump(mode="json", by_alias=True)) for one in route.matches),
        clusters=tuple(ref.cluster for ref in route.backend_refs),
        owner=route.owner,
        version=route.version,
        lifecycle=route.lifecycle,
        callers=callers(system, route),
        limits=tuple(map(_limit, limits(system, route))),
        latest_requests=seen,
    )


def callers(system: System, route: Route) -> str:
    """Who may call it, in a few words."""
    filters = chain(system, route)
    if closed(system, route):
        return "nobody"
    if not authenticates(system, route):
        return "everybody"
    who = [_who(one) for one in filters if proves_identity(one, system.authenticating)]
    bound = ["a proof of the token's key" for one in filters if isinstance(one, Dpop) and one.required]
    return " and ".join([*who, *bound, *_rights(filters)])


def _who(one: FilterSpec) -> str:
    """`JWT of shop`: the filter, and whom it believes."""
    if isinstance(one, AuthorizationPolicy):
        return f"a certificate of {' or '.join(name for rule in one.allow for name in rule.principals)}"
    believed = getattr(one, "all_providers", ()) or [name for name in (getattr(one, "cluster", None),) if name]
    told = f"{one.type} of {' or '.join(believed)}" if believed else one.type
    return f"{told}, bound to a certificate" if getattr(one, "certificate_bound", False) else told


def _rights(filters: tuple[FilterSpec, ...]) -> list[str]:
    """What Authorize filters ask for."""
    found = []
    for one in filters:
        if "Auth" not in one.type:  # InternalToken has scopes, too, and asks for none
            continue
        found += list(getattr(one, "scopes", ()))
        claims: Any = getattr(one, "claims", None)
        if isinstance(claims, dict):
            found += [f"{name} in {'/'.join(values)}" for name, values in claims.items()]
    return found


def _limit(one: FilterSpec) -> str:
    """`600/1m by claim sub`; other limits than RateLimit by their type."""
    requests, per, key = (getattr(one, name, None) for name in ("requests", "per", "key"))
    shadow = "" if enforced(one) else " (shadow)"
    if requests is None or not isinstance(per, int | float):
        return f"{one.type}{shadow}"
    kind = f" by {key.type.lower()}{f' {key.name}' if key.name else ''}" if key is not None else ""
    return f"{requests}/{_time(per)}{kind}{shadow}"


def _time(seconds: float) -> str:
    return f"{seconds / 60:g}m" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g}s"
