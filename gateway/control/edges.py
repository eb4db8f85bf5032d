"""Who calls what, with or without a mesh: clients, gateway, services, databases, the event stream, third parties.

The problem: a drawing of an architecture shows what somebody meant. The rule: an edge is there because its source has
counted something on it since this process started, and its numbers are the source's own: a worker counts its tries at
clusters, a service its calls to peers, its transactions and its events. In a mesh, both ends count; what they say of
encryption is added (gateway.control.mesh.topology).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.control.messages import FamilyMessage
from gateway.control.rates import HISTOGRAM, RateBook, Tally, Totals

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane

CALLS: Final = "http_client_request_duration_seconds"
QUERIES: Final = "db_client_operation_duration_seconds"
SENT: Final = ("_relayed_total", "_published_total")
"""Counters of what a service has given to the event stream end so."""
TAKEN: Final = "_events_total"
"""And those of what it has taken from it, by `outcome`."""
LOST: Final = frozenset({"failed", "dead", "database_error"})
CLIENTS, GATEWAY, STREAM = "clients", "gateway", "redis"
MAX_EDGES: Final = 200


class Edge(NamedTuple):
    """From whom to what."""

    source: str
    destination: str

    @property
    def key(self) -> str:
        """Names hold no line breaks."""
        return "\n".join(self)


def database(service: str) -> str:
    """A service's own database, as a node."""
    return f"{service}.db"


def of_worker(families: Iterable[FamilyMessage], services: Mapping[str, str]) -> dict[str, Totals]:
    """The edges from the gateway, as a worker has counted its tries; `services` knows the service of a cluster."""
    tally = Tally()
    for family in families:
        if family.name == CALLS:
            for name, labels, value, _ in family.samples:
                cluster = labels.get("gateway_cluster", "?")
                tally.add(Edge(GATEWAY, services.get(cluster, cluster)).key, name, _judged(labels), value)
    return tally.totals()


def services_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """The service behind each cluster that has one."""
    return {one["name"]: one["service"] for one in spec.get("clusters", ()) if one.get("service")}


class ServiceTally:
    """One look at a service's metrics: its own requests, and the edges that begin or end at it."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._own, self._edges = Tally(), Tally()

    def add(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """One sample."""
        here = self._service
        if name.startswith(HISTOGRAM):
            self._own.add("", name, labels, value)
        elif name.startswith(CALLS):
            self._edges.add(Edge(here, labels.get("peer", "?")).key, name, _judged(labels), value)
        elif name.startswith(QUERIES):
            self._edges.add(Edge(here, database(here)).key, name, {"le": labels.get("le", "inf")}, value)
        elif name.endswith(SENT):
            self._edges.add(Edge(here, STREAM).key, "_count", {}, value)
        elif name.endswith(TAKEN) and (outcome := labels.get("outcome")):
            judged = {"http_response_status_code": "500"} if outcome in LOST else {}
            self._edges.add(Edge(STREAM, here).key, "_count", judged, value)

    @property
    def own(self) -> Totals:
        """What it answered."""
        return self._own.totals().get("", Totals())

    @property
    def edges(self) -> dict[str, Totals]:
        """By key."""
        return self._edges.totals()


def _judged(labels: Mapping[str, str]) -> Mapping[str, str]:
    """A call without an answer has failed."""
    if labels.get("error_type") and not labels.get("http_response_status_code", "").startswith("4"):
        return {**labels, "http_response_status_code": "599"}
    return labels


def traffic_map(plane: ControlPlane) -> dict[str, Any]:
    """Nodes, and the edges that had traffic since the start, for the console; bounded."""
    secured = {(one["source"], one["destination"]): one for one in _meshed(plane)}
    edges = [_edge(Edge(*key.split("\n")), plane.edges, secured) for key in plane.edges.keys()]  # noqa: SIM118
    edges += _from_clients(plane, secured)
    return {"mesh": plane.mesh is not None, "nodes": _nodes(plane), "edges": edges[:MAX_EDGES]}


def _meshed(plane: ControlPlane) -> list[dict[str, Any]]:
    return plane.mesh.topology.edges() if plane.mesh else []


def _edge(edge: Edge, book: RateBook, secured: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    return _numbers(edge, book.view(edge.key, course=False), secured)


def _numbers(edge: Edge, view: dict[str, Any], secured: Mapping[tuple[str, str], Mapping[str, Any]]) -> dict[str, Any]:
    told = secured.get(edge)
    return {**edge._asdict(), **view, "encrypted": told["encrypted"] if told else None}


def _from_clients(plane: ControlPlane, secured: Mapping[tuple[str, str], Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Clients count nothing for us: what came in is what the gateway, or a service without one, has answered."""
    if plane.settings.gateway:
        return [_numbers(Edge(CLIENTS, GATEWAY), plane.rates.total(course=False), secured)]
    called = {key.split("\n")[1] for key in plane.edges.keys()}  # noqa: SIM118
    entered = [one.name for one in plane.services.known if one.public and one.name not in called]
    return [_numbers(Edge(CLIENTS, name), plane.services.rates.view(name, course=False), secured) for name in entered]


def _nodes(plane: ControlPlane) -> list[dict[str, Any]]:
    sidecars = set(plane.mesh.identities) if plane.mesh else set()
    states = {one.get("name"): one.get("state", "unknown") for one in plane.services.processes}
    nodes = [
        {
            "name": one.name,
            "kind": "outside" if one.outside else "service",
            "about": one.about,
            "public": one.public,
            "state": states.get(one.name, "unknown"),
            "sidecar": one.name in sidecars,
        }
        for one in plane.services.known
    ]
    front = {"name": GATEWAY, "kind": "gateway", "about": "the way in", "state": "running", "sidecar": False}
    return [front, *nodes] if plane.settings.gateway else nodes
