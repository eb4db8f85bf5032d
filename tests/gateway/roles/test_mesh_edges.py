"""Who is counted as whom: by what a certificate of our own mesh proves, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.chain import Stopped
from gateway.http.identity import ClientCertificate
from gateway.http.messages import Reply, Request
from gateway.mesh.identity import identity_of
from gateway.observability.metrics import Metrics
from gateway.roles.mesh_edges import MAX_NAMES, MeshEdges
from gateway.spec.models import Cluster, ClusterTls
from gateway.upstream.workload import Workload

FORGED = (("URI", identity_of("orders")),)
"""What a certificate of any other authority may say."""


class Exchange:
    """What is looked at of one."""

    def __init__(self, certificate: ClientCertificate | None = None, **changed: Any) -> None:
        self.request = Request("GET", "/", "", (), {}, "a")
        self.request.client_certificate = certificate
        self.cluster: Any = None
        self.status, self.reason, self.decided_by = 200, "", ""
        self.outcome: Any = None
        for name, value in changed.items():
            setattr(self, name, value)


class Reached:
    """A cluster."""

    def __init__(self, name: str, **spec: Any) -> None:
        self.name = name
        self.spec = Cluster(name=name, endpoints=("127.0.0.1:1",), **spec)


def proven(name: str) -> ClientCertificate:
    return ClientCertificate((), FORGED, "1", "", identity_of(name))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def counted(metrics: Metrics, own: str, exchange: Exchange) -> list[tuple[str, ...]]:
    MeshEdges(metrics, Workload(identity_of(own)), "w").count(exchange, 0.001)  # type: ignore[arg-type]
    return list(metrics.mesh_requests.children)


def test_the_source_is_whom_the_handshake_proved(metrics: Metrics) -> None:
    seen = counted(metrics, "orders", Exchange(proven("storefront")))
    assert seen == [("destination", "storefront", "orders", "mutual_tls", "200", "")]


def test_names_of_other_authorities_prove_nothing(metrics: Metrics) -> None:
    assert counted(metrics, "gateway", Exchange(ClientCertificate((), FORGED, "1"))) == [
        ("destination", "clients", "gateway", "none", "200", "")
    ]
    assert counted(Metrics(), "orders", Exchange(ClientCertificate((), FORGED, "1"))) == []


def test_a_service_and_its_sidecar_are_no_edge(metrics: Metrics) -> None:
    inside = Exchange(proven("storefront"), cluster=Reached("app", tls=None))
    assert [seen[0] for seen in counted(metrics, "orders", inside)] == ["destination"]
    assert counted(Metrics(), "orders", Exchange()) == []


@pytest.mark.parametrize(
    ("spec", "security"),
    [
        ({}, "none"),
        ({"tls": ClusterTls()}, "tls"),
        ({"tls": ClusterTls(identity=identity_of("orders"))}, "mutual_tls"),
    ],
)
def test_what_goes_out_says_how_it_is_protected(metrics: Metrics, spec: dict[str, Any], security: str) -> None:
    failed = Exchange(cluster=Reached("orders", **spec), status=503, reason="upstream_connect_failure")
    assert counted(metrics, "storefront", failed) == [
        ("source", "storefront", "orders", security, "503", "upstream_connect_failure")
    ]


def test_denials_are_counted_by_their_line(metrics: Metrics) -> None:
    stopped = Stopped(Reply(403, "policy_denied", ""), None)  # type: ignore[arg-type]
    denied = Exchange(proven("profiles"), outcome=stopped, status=403, reason="policy_denied", decided_by="mesh.yaml:7")
    counted(metrics, "orders", denied)
    assert metrics.mesh_denials.values == {("profiles", "orders", "policy_denied", "mesh.yaml:7"): 1}


def test_there_are_only_so_many_names(metrics: Metrics) -> None:
    edges = MeshEdges(metrics, Workload(identity_of("orders")), "w")
    for number in range(MAX_NAMES + 20):
        edges.count(Exchange(proven(f"service-{number}")), 0.001)  # type: ignore[arg-type]
    assert len(metrics.mesh_requests.children) == MAX_NAMES + 1
    edges.count(Exchange(proven("service-0")), 0.001)  # type: ignore[arg-type]
    assert len(metrics.mesh_requests.children) == MAX_NAMES + 1
    assert ("destination", "other", "orders", "mutual_tls", "200", "") in metrics.mesh_requests.children
