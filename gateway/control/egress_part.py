"""What of a configuration the egress gateway is told: its listeners and routes, and whatever those name.

The problem: who reads what third parties send should hold nothing that is worth stealing, and a whole configuration has
passwords of stores and secrets of webhooks. The rule: it gets its part, and nothing else.
"""

from __future__ import annotations

from typing import Any, Final

Document = dict[str, Any]
EGRESS: Final = "egress"
"""What the egress gateway says it is, on its line to control."""


def ways_out(document: Document) -> dict[str, str]:
    """The third party that each way out leads to, by the listener's name."""
    found = ((one["name"], one.get("egress")) for one in document["listeners"])
    return {name: egress["thirdParty"] for name, egress in found if egress}


def part_of(document: Document) -> Document:
    """The part of a whole one, in the same form."""
    out = ways_out(document)
    routes = [route for route in document["routes"] if out.keys() & listeners_of(route, document)]
    filters = [*document["filters"], *(one for route in routes for one in route["filters"])]
    providers = _named(document["providers"], {one.get("provider") for one in filters})
    asked = {one.get("cluster") for one in filters} | {one["jwks"]["cluster"] for one in providers}
    reached = {ref["cluster"] for route in routes for ref in route["backendRefs"]}
    revoked = {one["revocation"]["store"] for one in providers if one.get("revocation")}
    return {
        **document,
        "listeners": [one for one in document["listeners"] if one["name"] in out],
        "routes": routes,
        "providers": providers,
        "clusters": _named(document["clusters"], asked | reached),
        "stores": _named(document["stores"], {one.get("store") for one in filters} | revoked),
        "contracts": _used(document.get("contracts", []), filters),
        "accessLog": {**document["accessLog"], "path": "egress-access.log"},
    }


def listeners_of(route: Document, document: Document) -> set[str]:
    """Which it serves: all, where it names none."""
    return set(route["listeners"] or (one["name"] for one in document["listeners"]))


def _named(items: list[Document], names: set[Any]) -> list[Document]:
    return [one for one in items if one["name"] in names]


def _used(contracts: list[str], filters: list[Document]) -> list[str]:
    """The contracts of these filters; the places of others stay, and are empty."""
    used = {int(one["contract"]) for one in filters if one.get("contract")}
    return [text if place in used else "" for place, text in enumerate(contracts)]
