"""What is made of the numbers of many processes: edges of the last minute, and books that nobody else can write in."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.control.channel import Worker
from gateway.control.mesh.metrics import DENIALS, REQUESTS, SidecarMetrics, own
from gateway.control.mesh.topology import Topology, denials
from gateway.control.messages import FamilyMessage, Stats
from gateway.control.metrics_merge import MetricsBook


def requests(*sides: tuple[str, str, str, str, str, float]) -> FamilyMessage:
    """Samples of reporter, source, destination, security, status and count; each took between 5 and 10 ms."""
    samples: list[Any] = []
    for reporter, source, destination, security, status, count in sides:
        labels = {
            "reporter": reporter, "source": source, "destination": destination, "security": security,
            "http_response_status_code": status, "reason": "",
        }  # fmt: skip
        for bound, upto in (("0.005", 0.0), ("0.01", count), ("+Inf", count)):
            samples.append([f"{REQUESTS}_bucket", {**labels, "le": bound}, upto, None])
        samples.append([f"{REQUESTS}_count", labels, count, None])
    return FamilyMessage(name=REQUESTS, type="histogram", samples=samples)


@pytest.fixture
def topology() -> Topology:
    one = Topology()
    one.report("a/1", [])
    one.report("b/1", [])
    one.tick(0.0)
    return one


def test_an_edge_of_the_last_minute(topology: Topology) -> None:
    out = requests(
        ("source", "storefront", "orders", "mutual_tls", "200", 90.0),
        ("source", "storefront", "orders", "mutual_tls", "403", 7.0),
        ("source", "storefront", "orders", "mutual_tls", "503", 3.0),
    )
    topology.report("a/1", [out])
    topology.tick(10.0)
    (edge,) = topology.edges()
    assert (edge["source"], edge["destination"]) == ("storefront", "orders")
    assert (edge["requests"], edge["requests_per_second"]) == (100, 10)
    assert (edge["refused"], edge["failed"]) == (7, 3)
    assert 5 < edge["p95_ms"] <= 10
    assert (edge["encrypted"], edge["security"]) == (1, ["mutual_tls"])
    topology.tick(75.0)
    topology.tick(76.0)
    assert topology.edges() == []  # that was more than a minute ago


def test_the_end_that_saw_more_is_believed(topology: Topology) -> None:
    """What never arrived only the source knows; what came past the source's sidecar only the destination."""
    topology.report("a/1", [requests(("source", "storefront", "orders", "mutual_tls", "503", 5.0))])
    topology.report(
        "b/1",
        [
            requests(
                ("destination", "storefront", "orders", "mutual_tls", "200", 2.0),
                ("destination", "profiles", "orders", "mutual_tls", "200", 4.0),
            )
        ],
    )
    topology.tick(1.0)
    profiles, storefront = topology.edges()
    assert (storefront["failed"], storefront["seen_by"]) == (5, {"source": 5, "destination": 2})
    assert (profiles["requests"], profiles["seen_by"]) == (4, {"source": 0, "destination": 4})


def test_the_share_that_nobody_could_read(topology: Topology) -> None:
    mixed = requests(
        ("destination", "clients", "gateway", "none", "200", 30.0),
        ("destination", "clients", "gateway", "tls", "200", 10.0),
    )
    topology.report("a/1", [mixed])
    topology.tick(1.0)
    (edge,) = topology.edges()
    assert (edge["encrypted"], edge["security"]) == (0.25, ["none", "tls"])


def test_a_process_that_comes_again_counts_from_zero(topology: Topology) -> None:
    side = ("source", "storefront", "orders", "mutual_tls", "200")
    topology.report("a/1", [requests((*side, 50.0))])
    topology.forget("a/1")
    topology.report("a/2", [requests((*side, 10.0))])
    topology.report("a/2", [requests((*side, 12.0))])
    topology.tick(1.0)
    assert topology.edges()[0]["requests"] == 52


def test_names_that_are_none_break_nothing(topology: Topology) -> None:
    topology.report("a/1", [requests(("source", "", "or ders", "none", "200", 1.0))])
    topology.tick(1.0)
    (edge,) = topology.edges()
    assert (edge["source"], edge["destination"]) == ("?", "or_ders")


def worker(service: str, pid: int = 1) -> Worker:
    return Worker(f"{service}-sidecar", "sidecar", pid, None, None, service, "127.0.0.1:1")  # type: ignore[arg-type]


def stats(*families: FamilyMessage) -> Stats:
    return Stats(type="stats", families=list(families))


def counter(name: str, value: float, **labels: str) -> FamilyMessage:
    return FamilyMessage(name=name, type="counter", samples=[(f"{name}_total", labels, value, None)])


def test_of_requests_a_sidecar_tells_only_its_own_end() -> None:
    told = requests(
        ("source", "orders", "identity", "mutual_tls", "200", 1.0),
        ("destination", "storefront", "orders", "mutual_tls", "200", 2.0),
        ("source", "storefront", "orders", "mutual_tls", "200", 4.0),
        ("destination", "orders", "identity", "mutual_tls", "200", 8.0),
        ("anybody", "orders", "orders", "mutual_tls", "200", 16.0),
    )
    kept = [value for name, _, value, _ in own(told, "orders").samples if name.endswith("_count")]
    assert kept == [1, 2]
    denied = counter(DENIALS, 1.0, source="storefront", destination="identity", reason="r", policy="p")
    assert own(denied, "orders").samples == []
    assert own(denied, "identity").samples == denied.samples


def test_each_service_has_a_book_of_its_own_and_the_gateways_holds_only_what_is_the_meshs() -> None:
    sidecars, book = SidecarMetrics(), MetricsBook()
    book.beside = sidecars.shared
    book.hello("gateway-1", 9)
    book.stats("gateway-1", [counter("gateway_retries", 5.0)])
    for service, value in (("orders", 1.0), ("profiles", 2.0)):
        one = worker(service)
        sidecars.hello(one)
        denied = counter(DENIALS, value, source="storefront", destination=service, reason="r", policy="mesh.yaml:1")
        sidecars.stats(one, stats(counter("gateway_retries", 100.0), denied, counter("gateway_mesh_invented", 1.0)))
    merged = {one.name: one for one in book.merged()}
    assert set(merged) == {"gateway_retries", DENIALS}
    assert [value for value, _ in merged["gateway_retries"].samples.values()] == [5]
    text = sidecars.render("")[0].decode()
    assert 'gateway_retries_total{service="orders"} 100.0' in text
    assert 'gateway_retries_total{service="profiles"} 100.0' in text
    told = list(denials(sidecars.shared()))
    assert [(one["destination"], one["count"], one["policy"]) for one in told] == [
        ("orders", 1, "mesh.yaml:1"),
        ("profiles", 2, "mesh.yaml:1"),
    ]


def test_what_a_sidecar_had_counted_stays_when_it_goes() -> None:
    sidecars = SidecarMetrics()
    for pid, value in ((1, 3.0), (2, 4.0)):
        one = worker("orders", pid)
        sidecars.hello(one)
        sidecars.stats(one, stats(counter("gateway_tls_handshakes", value, result="plain_http")))
        sidecars.gone(one)
    found = sidecars.of("orders", "gateway_tls_handshakes")
    assert found is not None
    assert [value for value, _ in found.samples.values()] == [7]
    assert sidecars.of("orders", "another") is sidecars.of("nobody", "gateway_tls_handshakes") is None
