"""One trace of it all: from the gateway's SERVER span to the SQL, over REST, SOAP, GraphQL and the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system
READ = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><ReadProfile '
    'xmlns="https://profiles.shop.example/v1"><username>alice</username></ReadProfile></s:Body></s:Envelope>'
)
PLACE = 'mutation { placeOrder(items: [{productId: "3", quantity: 20}]) { id } }'
Until = Callable[..., Any]


def spans_of(shop: Any, until: Until, trace_id: str, *names: str) -> list[dict[str, Any]]:
    """The trace's spans, as soon as all of these are there ("service: name")."""

    def complete() -> Any:
        answer = shop.admin("GET", f"/traces/{trace_id}")
        found = answer.json()["spans"] if answer.status == 200 else []
        return found if set(names) <= {f"{span['service']}: {span['name']}" for span in found} else None

    found: list[dict[str, Any]] = until(complete)
    return found


def ancestors(spans: list[dict[str, Any]], name: str) -> list[str]:
    """From that span up to the root."""
    by_id = {span["span_id"]: span for span in spans}
    span = next(span for span in spans if f"{span['service']}: {span['name']}" == name)
    chain = [name]
    while span["parent_id"]:
        span = by_id[span["parent_id"]]
        chain.append(f"{span['service']}: {span['name']}")
    return chain


def test_rest_to_sql(shop: Any, until: Until, alice: str) -> None:
    answer = shop.send("GET", "/orders/1001", token=alice)
    spans = spans_of(shop, until, answer.trace_id, "gateway: GET orders-read", "orders: orders db.read read_order")
    assert ancestors(spans, "orders: orders db.read read_order") == [
        "orders: orders db.read read_order",
        "orders: GET /orders/{id}",
        "gateway: GET orders",
        "gateway: GET orders-read",
    ]
    root = next(span for span in spans if span["parent_id"] is None)
    assert (root["kind"], root["attributes"]["http.route"]) == ("server", "orders-read")
    query = next(span for span in spans if span["name"] == "orders db.read read_order")["attributes"]["db.query.text"]
    assert "SELECT" in query
    assert "1001" not in query
    assert alice not in str(spans)


def test_soap_to_sql(shop: Any, until: Until, alice: str) -> None:
    headers = {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": '"https://profiles.shop.example/v1/ReadProfile"',
    }
    answer = shop.send("POST", "/profiles/soap", token=alice, body=READ.encode(), headers=headers)
    assert answer.status == 200
    server = "profiles: POST /profiles/soap ReadProfile"
    spans = spans_of(shop, until, answer.trace_id, "gateway: POST profiles-soap", server)
    assert ancestors(spans, server)[1:] == ["gateway: POST profiles", "gateway: POST profiles-soap"]
    assert any("SELECT" in span["attributes"].get("db.query.text", "") for span in spans)


def test_graphql_over_rest_and_the_event_to_the_finding(shop: Any, until: Until, customer: str) -> None:
    answer = shop.send("POST", "/graphql", token=customer, json={"query": PLACE})
    assert answer.json()["data"]["placeOrder"]["id"]
    last = "alerts: alerts db.write work_through"
    services = ("gateway: POST graphql", "storefront: POST /graphql", "orders: POST /orders")  # each exports by itself
    spans = spans_of(shop, until, answer.trace_id, *services, last)
    assert {"gateway", "storefront", "orders", "alerts"} <= {span["service"] for span in spans}
    assert ancestors(spans, last) == [
        last,
        "alerts: process events:orders",
        "orders: POST /orders",
        "storefront: POST orders",
        "storefront: graphql mutation",
        "storefront: POST /graphql",
        "gateway: POST storefront",
        "gateway: POST graphql",
    ]
    consumer = next(span for span in spans if span["name"] == "process events:orders")
    assert consumer["kind"] == "consumer"
    (found,) = set(shop.rows("alerts", "SELECT trace_id FROM finding WHERE trace_id = ?", answer.trace_id))
    assert found == (answer.trace_id,)


def test_the_logs_of_all_processes_meet_in_the_trace_id(shop: Any, until: Until, customer: str) -> None:
    trace_id = shop.order(customer, (4, 20))["trace_id"]

    def told(process: str) -> bool:
        return any(line.get("trace_id") == trace_id for line in shop.log(process))

    until(lambda: all(map(told, ("gateway-access", "orders", "alerts"))))


def test_the_command_draws_it(shop: Any, until: Until, alice: str) -> None:
    trace_id = shop.send("GET", "/orders/1001", token=alice).trace_id
    spans_of(shop, until, trace_id, "gateway: GET orders-read", "orders: orders db.read read_order")
    drawn = shop.gatehouse("trace", trace_id)
    assert "orders-read" in drawn
    assert "read_order" in drawn


def test_what_a_client_calls_its_trace_is_kept_as_a_link_only(shop: Any, until: Until, alice: str) -> None:
    theirs = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{theirs}-b7ad6b7169203331-01", "tracestate": "evil=1", "X-Request-Id": "theirs"}
    answer = shop.send("GET", "/orders/1001", token=alice, headers=headers)
    assert answer.trace_id != theirs
    assert answer.headers["x-request-id"] != "theirs"
    spans = spans_of(shop, until, answer.trace_id, "gateway: GET orders-read", "orders: GET /orders/{id}")
    assert theirs in str(next(span for span in spans if span["parent_id"] is None)["links"])
    assert shop.admin("GET", f"/traces/{theirs}").status == 404
    (line,) = [line for line in shop.log("orders") if line.get("trace_id") == answer.trace_id]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert not [line for line in shop.log("orders") if line.get("trace_id") == theirs]
