"""What can be seen of clusters: gauges for the metrics, and the state that control shows (`gatehouse clusters`).

The problem: a thousand clusters with ten gauges each, every second, would be more work than their requests. The rule:
what is so for every cluster is told in sums; endpoint by endpoint only where something judges endpoints; a breaker or
a panic only while there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.observability.metrics import Metrics
from gateway.upstream.cluster import Cluster

Clusters = Callable[[], Mapping[str, Cluster]]
Values = dict[tuple[str, ...], float]


def add_cluster_gauges(metrics: Metrics, worker: str, clusters: Clusters) -> None:
    """Gauges of the clusters that are in force whenever somebody asks."""

    def of_all(values: Callable[[Cluster], Iterator[tuple[tuple[str, ...], float]]]) -> Callable[[], Values]:
        return lambda: {labels: value for cluster in clusters().values() for labels, value in values(cluster)}

    metrics.gauge(
        "gateway_cluster_connections",
        "Connections to endpoints.",
        ("gateway_cluster", "state"),
        of_all(_connections),
    )
    metrics.gauge(
        "gateway_endpoint_healthy",
        "Whether a worker sends requests to an endpoint (1) or has found it unhealthy or ejected it (0).",
        ("worker", "gateway_cluster", "gateway_endpoint"),
        of_all(lambda cluster: (((worker, *labels), value) for labels, value in _healthy(cluster))),
    )
    metrics.gauge(
        "gateway_endpoint_active_requests",
        "Requests in flight to an endpoint.",
        ("gateway_cluster", "gateway_endpoint"),
        of_all(_active),
    )
    metrics.gauge(
        "gateway_cluster_circuit_open",
        "1 while a worker has reached a threshold of a cluster.",
        ("worker", "gateway_cluster", "threshold"),
        of_all(lambda cluster: (((worker, cluster.name, name), 1.0) for name in open_circuits(cluster))),
    )
    metrics.gauge(
        "gateway_cluster_panicking",
        "1 while a worker uses all endpoints of a cluster, because too few of them are healthy.",
        ("worker", "gateway_cluster"),
        of_all(lambda cluster: iter([((worker, cluster.name), 1.0)] if cluster.panicking else ())),
    )


def _connections(cluster: Cluster) -> Iterator[tuple[tuple[str, ...], float]]:
    idle = sum(len(endpoint.idle) for endpoint in cluster.endpoints)
    yield (cluster.name, "idle"), idle
    yield (cluster.name, "active"), sum(endpoint.open for endpoint in cluster.endpoints) - idle


def _judged(cluster: Cluster) -> bool:
    return cluster.outliers is not None or cluster.health is not None


def _healthy(cluster: Cluster) -> Iterator[tuple[tuple[str, ...], float]]:
    if _judged(cluster):
        yield from (((cluster.name, endpoint.address), float(endpoint.usable)) for endpoint in cluster.endpoints)


def _active(cluster: Cluster) -> Iterator[tuple[tuple[str, ...], float]]:
    if _judged(cluster):
        yield from (((cluster.name, endpoint.address), float(endpoint.active)) for endpoint in cluster.endpoints)


def thresholds(cluster: Cluster) -> dict[str, tuple[int, int]]:
    """What each threshold counts now, and how far it may go; unused connections make room when one is needed."""
    spec = cluster.spec
    unused = sum(len(endpoint.idle) for endpoint in cluster.endpoints)
    return {
        "connections": (cluster.connections - unused, spec.max_connections),
        "pending": (len(cluster.pending), spec.max_pending),
        "requests": (cluster.requests, spec.max_requests),
    }


def open_circuits(cluster: Cluster) -> list[str]:
    """The thresholds that are reached; a queue of length 0 is full only once all connections are in use."""
    found = thresholds(cluster)
    full = [name for name, (now, most) in found.items() if now >= most]
    return [name for name in full if name != "pending" or "connections" in full]


def cluster_view(cluster: Cluster, now: float) -> dict[str, Any]:
    """One cluster as this worker sees it; `now` is its clock's."""
    return {
        "endpoints": [
            {
                "address": one.address,
                "weight": one.weight,
                "healthy": one.healthy,
                "state": one.state(now),
                "active": one.active,
                "idle": len(one.idle),
                "open": one.open,
                "failures": one.failures,
            }
            for one in cluster.endpoints
        ],
        "pending": len(cluster.pending),
        "load_balancing": cluster.spec.load_balancing,
        "panicking": cluster.panicking,
        "thresholds": thresholds(cluster),
        "open_circuits": open_circuits(cluster),
    }
