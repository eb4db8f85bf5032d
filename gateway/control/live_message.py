"""The one message per second from which the console draws its first page."""

from __future__ import annotations

import os
import shlex
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.control.defence import defence
from gateway.control.edges import traffic_map
from gateway.control.match_text import match_text
from gateway.control.supervisor.state_dir import default_state_dir

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane

MAX_ROUTES = 60
MAX_REQUESTS = 60
SHOWN = frozenset({
    "seq", "start_time", "method", "path", "route", "status", "reason", "duration_ms", "upstream_cluster",
    "subject", "policy", "decided_by", "trace_id",
})  # fmt: skip
"""The fields of a request that the page shows."""


def live_message(plane: ControlPlane) -> dict[str, Any]:
    """Numbers, processes, configuration, the latest requests; bounded however large the configuration."""
    routes = route_views(plane)
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "total": plane.rates.total(),
        "course": plane.course.view(),
        "map": traffic_map(plane),
        "routes": busiest(routes),
        "routes_in_all": len(routes),
        "services": plane.services.view(),
        "processes": plane.services.processes,
        "supervisor_error": plane.services.supervisor_error,
        "config": config_view(plane),
        "defence": defence(plane),
        "workers": worker_views(plane),
        "requests": [brief(record) for record in plane.request_log.latest(MAX_REQUESTS)],
        "traffic": traffic_state(plane),
        "alerts": plane.alerts.view(),
    }


def brief(record: dict[str, Any]) -> dict[str, Any]:
    """A request as the page shows it."""
    return {name: value for name, value in record.items() if name in SHOWN and value != ""}


def route_views(plane: ControlPlane) -> list[dict[str, Any]]:
    """Every configured route with its numbers, in the file's order, and other names that have traffic."""
    spec = plane.reloader.current.spec if plane.reloader.current else {}
    configured = {route["name"]: route for route in spec.get("routes", [])}
    names = list(configured) + [name for name in plane.rates.keys() if name not in configured]  # noqa: SIM118
    return [_route_view(name, configured.get(name), plane) for name in names]


def busiest(routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """At most MAX_ROUTES of them; the order stays, so that rows do not jump while somebody reads them."""
    if len(routes) <= MAX_ROUTES:
        return routes
    chosen = {view["name"] for view in sorted(routes, key=lambda view: -view["rate"])[:MAX_ROUTES]}
    return [view for view in routes if view["name"] in chosen]


def _route_view(name: str, route: dict[str, Any] | None, plane: ControlPlane) -> dict[str, Any]:
    return {
        "name": name,
        "public": route["public"] if route else None,
        "clusters": _clusters(route) if route else [],
        "match": ", ".join(match_text(match) for match in route["matches"]) if route else "",
        **plane.rates.view(name),
    }


def _clusters(route: dict[str, Any]) -> list[str]:
    canary = route.get("canary")
    return [ref["cluster"] for ref in route["backendRefs"]] + ([canary["cluster"]] if canary else [])


def config_view(plane: ControlPlane) -> dict[str, Any]:
    """Version, file, and how the latest reload went."""
    history = plane.reloader.history
    return {
        "version": plane.reloader.current.version if plane.reloader.current else None,
        "file": str(plane.settings.config),
        "last": asdict(history[0]) if history else None,
        "override": _override(plane),
        "ready": plane.reloader.ready(),
        "listeners": listener_views(plane),
        "state_dir_option": state_dir_option(plane.settings.state_dir),
    }


def _override(plane: ControlPlane) -> dict[str, Any] | None:
    override = plane.override
    return override.view() if override else None


def state_dir_option(directory: Path) -> str:
    """What a command must say to mean this instance; nothing for the default one."""
    return "" if directory == default_state_dir(os.environ) else f" --state-dir {shlex.quote(str(directory))}"


def listener_views(plane: ControlPlane) -> list[dict[str, Any]]:
    """Where clients connect."""
    spec = plane.reloader.current.spec if plane.reloader.current else {}
    return [{name: one[name] for name in ("name", "address", "port")} for one in spec.get("listeners", [])]


def worker_views(plane: ControlPlane) -> list[dict[str, Any]]:
    """The connected workers."""
    return [
        {
            "name": worker.name,
            "role": worker.role,
            "pid": worker.pid,
            "version": worker.version,
            "rss_bytes": worker.rss_bytes,
        }
        for worker in sorted(plane.channel.workers, key=lambda one: one.name)
    ]


def traffic_state(plane: ControlPlane) -> str:
    """`running`, `stopped`, … of the traffic process; `absent` where the instance has none."""
    for process in plane.services.processes:
        if process.get("name") == "traffic":
            return str(process.get("state", "unknown"))
    return "absent"
