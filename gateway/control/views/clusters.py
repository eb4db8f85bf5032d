"""/clusters: endpoints and thresholds, as the workers see them.

Each worker judges endpoints by itself, so they may disagree: an endpoint is healthy only if every worker says so, and
`states` tells which ones say otherwise. Numbers are sums; what a threshold allows holds for each worker by itself.
Workers report once a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer

EACH: Final = frozenset(("weight",))
"""What is the same for every worker, and no number to add."""
Reports = Mapping[str, Mapping[str, Any]]
"""What each worker, by name, says of one cluster."""


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def clusters(_: web.Request) -> web.Response:
        revision = plane.reloader.current
        if revision is None:
            raise Problem(503, "no_config", "no configuration is loaded")
        found = []
        for one in revision.spec["clusters"]:
            reports = {worker.name: worker.clusters.get(one["name"], {}) for worker in plane.channel.workers}
            addresses = [listed["address"] for listed in one["endpoints"]]
            if one.get("service"):
                addresses += revision.endpoints.get(one["service"], [])
            found.append(cluster_document(one, addresses, reports))
        return answer({"clusters": found})

    return [web.get("/clusters", clusters)]


def cluster_document(cluster: Mapping[str, Any], addresses: Iterable[str], reports: Reports) -> dict[str, Any]:
    """A cluster as configured, and its endpoints as the workers see them."""
    seen = merge_endpoints([report.get("endpoints", []) for report in reports.values()])
    if not seen:  # nobody has reported yet; later, names have become addresses
        seen = {address: {"address": address} for address in addresses}
    for worker, report in sorted(reports.items()):
        for one in report.get("endpoints", ()):
            state, why = one.get("state") or ("healthy", "")
            if state != "healthy":
                told = {"worker": worker, "state": state, "why": why}
                seen[str(one.get("address"))].setdefault("states", []).append(told)
    return {
        "name": cluster["name"],
        "service": cluster.get("service"),
        "load_balancing": cluster["loadBalancing"],
        "endpoints": list(seen.values()),
        "pending": sum(report.get("pending", 0) for report in reports.values()),
        "panicking": [worker for worker, report in sorted(reports.items()) if report.get("panicking")],
        "thresholds": _thresholds(reports),
    }


def _thresholds(reports: Reports) -> dict[str, dict[str, Any]]:
    """By name: the fullest worker's count, what each may have, and the workers in which it is reached."""
    found: dict[str, dict[str, Any]] = {}
    for worker, report in sorted(reports.items()):
        for name, (now, most) in report.get("thresholds", {}).items():
            one = found.setdefault(name, {"now": 0, "most": most, "open": []})
            one["now"] = max(one["now"], now)
            if name in report.get("open_circuits", ()):
                one["open"].append(worker)
    return found


def merge_endpoints(reports: list[list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """By address: numbers summed over workers; healthy only if every worker says so."""
    merged: dict[str, dict[str, Any]] = {}
    for endpoint in (one for report in reports for one in report):
        total = merged.setdefault(str(endpoint.get("address")), {"address": endpoint.get("address")})
        for name, value in endpoint.items():
            if isinstance(value, bool):
                total[name] = total.get(name, True) and value
            elif name in EACH:
                total[name] = value
            elif isinstance(value, int | float):
                total[name] = total.get(name, 0) + value
    return merged
