"""Parts of the file that nothing refers to."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Clusters and providers that no route, filter or provider names."""
    named = {cluster for route in system.spec.routes for cluster in route.destinations}
    named |= {provider.jwks.cluster for provider in system.spec.providers} | _names_in_filters(system)
    for index, cluster in enumerate(system.spec.clusters):
        if cluster.name not in named:
            yield Found(("clusters", index), f"cluster {cluster.name}", "is named by nothing")
    for index, provider in enumerate(system.spec.providers):
        if provider.name not in named:
            yield Found(("providers", index), f"provider {provider.name}", "is named by nothing")


def _names_in_filters(system: System) -> set[str]:
    """Every text among the filters' own keys: whatever their keys are called, a name in them is a reference."""
    filters = [*system.spec.filters, *(one for route in system.spec.routes for one in route.filters)]
    return {text for one in filters for text in _texts(one.model_dump(mode="json"))}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)


CHECK = Check(
    id="unused",
    severity="info",
    title="Something is configured and never used",
    why="An issuer that is believed and a service that is reachable without need are doors nobody watches.",
    fix="Take it out.",
    owasp="API9:2023",
    find=find,
)
