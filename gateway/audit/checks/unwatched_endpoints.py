"""Several endpoints, and nobody who notices when one of them breaks."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Clusters with more than one endpoint and neither outlier detection nor health checks."""
    for index, cluster in enumerate(system.spec.clusters):
        known = system.running.endpoints.get(cluster.name, ()) if system.running else ()
        count = len({*cluster.listed, *known})
        if count > 1 and cluster.outlier_detection is None and cluster.health_check is None:
            told = f"{count} endpoints, neither outlierDetection nor healthCheck"
            yield Found(("clusters", index), f"cluster {cluster.name}", told)


CHECK = Check(
    id="unwatched-endpoints",
    severity="low",
    title="A cluster goes on using an endpoint that is broken",
    why="An endpoint that answers 500, or not at all, breaks its share of the requests for as long as it stands.",
    fix="Add `outlierDetection: {}` to the cluster, or a `healthCheck` with a path that says whether it is well.",
    find=find,
)
