"""Who calls what: from counters to edges, and what the console's map is told."""

from __future__ import annotations

from typing import Any

from gateway.control.edges import Edge, ServiceTally, of_worker, services_of
from gateway.control.messages import FamilyMessage
from gateway.control.settings import ControlSettings, Service

CALLS = "http_client_request_duration_seconds"
TEXT = [
    (f"{CALLS}_count", {"peer": "identity", "http_response_status_code": "200"}, 5.0),
    (f"{CALLS}_count", {"peer": "identity", "http_response_status_code": "503", "error_type": "503"}, 2.0),
    (f"{CALLS}_count", {"peer": "payments", "http_response_status_code": "", "error_type": "timeout"}, 1.0),
    ("db_client_operation_duration_seconds_count", {"db_operation_name": "place"}, 7.0),
    ("orders_outbox_relayed_total", {}, 3.0),
    ("orders_events_total", {"outcome": "processed"}, 4.0),
    ("orders_events_total", {"outcome": "dead"}, 1.0),
    ("identity_events_total", {"event": "login_failed"}, 9.0),
    ("http_server_request_duration_seconds_count", {"http_response_status_code": "200"}, 11.0),
]


def seen(edges: dict[str, Any]) -> dict[tuple[str, str], tuple[float, float]]:
    return {tuple(key.split("\n")): (totals.count, totals.failing) for key, totals in edges.items()}  # type: ignore[misc]


def test_a_services_counters_become_its_edges() -> None:
    tally = ServiceTally("orders")
    for name, labels, value in TEXT:
        tally.add(name, labels, value)
    assert tally.own.count == 11
    assert seen(tally.edges) == {
        ("orders", "identity"): (7, 2),
        ("orders", "payments"): (1, 1),
        ("orders", "orders.db"): (7, 0),
        ("orders", "redis"): (3, 0),
        ("redis", "orders"): (5, 1),
    }


def family(cluster: str, status: str, count: float) -> FamilyMessage:
    labels = {"gateway_cluster": cluster, "http_response_status_code": status}
    return FamilyMessage.model_validate(
        {"name": CALLS, "type": "histogram", "samples": [[f"{CALLS}_count", labels, count, None]]}
    )


def test_tries_of_several_clusters_of_one_service_are_one_edge() -> None:
    services = services_of({"clusters": [{"name": "orders-2", "service": "orders"}, {"name": "elsewhere"}]})
    counted = [family("orders-2", "200", 3), family("orders", "500", 1), family("elsewhere", "200", 2)]
    assert seen(of_worker(counted, services)) == {("gateway", "orders"): (4, 1), ("gateway", "elsewhere"): (2, 0)}


async def test_the_map_has_every_service_and_what_was_counted(instance: Any) -> None:
    instance.plane.services.known = (
        Service(name="orders", public=True),
        Service(name="payments", outside=True),
    )
    for count in (0, 10):
        totals = of_worker([family("orders", "200", count)], {})
        instance.plane.edges.report("gateway-1/1", totals)
    for second in range(3):
        instance.plane.edges.tick(float(second))
    told = instance.plane.live._message()["map"]
    assert {(node["name"], node["kind"]) for node in told["nodes"]} == {
        ("gateway", "gateway"), ("orders", "service"), ("payments", "outside"),
    }  # fmt: skip
    assert [(edge["source"], edge["destination"]) for edge in told["edges"]] == [
        ("gateway", "orders"),
        ("clients", "gateway"),
    ]
    assert told["edges"][0]["encrypted"] is None


async def test_without_a_gateway_clients_reach_the_services_that_nobody_calls(instance: Any) -> None:
    settings: ControlSettings = instance.plane.settings
    instance.plane.settings = settings.model_copy(update={"gateway": False})
    instance.plane.services.known = (Service(name="shop", public=True), Service(name="inner", public=True))
    instance.plane.edges.report("shop", {Edge("shop", "inner").key: ServiceTally("shop").own})
    instance.plane.edges._sums[Edge("shop", "inner").key] = ServiceTally("shop").own
    told = instance.plane.live._message()["map"]
    assert ("clients", "shop") in {(edge["source"], edge["destination"]) for edge in told["edges"]}
    assert ("clients", "inner") not in {(edge["source"], edge["destination"]) for edge in told["edges"]}
