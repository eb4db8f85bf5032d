"""What a mesh tells of itself: who called whom, how well, who was refused and by which line."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest

QUERY = {"query": "{ me { username profile { fullName } orders { id } } }"}


def page(mesh: Any) -> Any:
    """What storefront makes of what it asks orders and profiles for."""
    return mesh.shop.send("POST", "/graphql", json=QUERY, token=mesh.shop.token("alice"))


def settled(read: Callable[[], float]) -> float:
    """A count once it no longer grows: processes report once a second."""
    seen = read()
    while True:
        time.sleep(1.5)
        now = read()
        if now == seen:
            return now
        seen = now


def counted(mesh: Any, reporter: str, source: str, destination: str) -> float:
    """Since the start: what the topology tells of a minute comes and goes."""
    labels = {"reporter": reporter, "source": source, "destination": destination}
    return float(mesh.shop.metric("gateway_mesh_request_duration_seconds_count", **labels))


def test_every_edge_of_a_request_is_counted_at_both_its_ends(mesh: Any, until: Any) -> None:
    inside = [("gateway", "storefront"), ("storefront", "orders"), ("storefront", "profiles"), ("gateway", "orders")]
    ends = [(reporter, *edge) for edge in inside for reporter in ("source", "destination")]
    ends.append(("destination", "clients", "gateway"))

    def counts() -> list[float]:
        return [counted(mesh, *end) for end in ends]

    before = counts()
    for _ in range(3):
        assert page(mesh).status == 200
    mesh.shop.send("GET", "/products/1")
    wanted = [3, 3, 3, 3, 3, 3, 1, 1, 4]
    until(lambda: all(now >= was + more for now, was, more in zip(counts(), before, wanted, strict=True)))


def test_the_topology_tells_how_well_and_how_safe(mesh: Any, until: Any) -> None:
    page(mesh)
    inside = until(lambda: mesh.edge("storefront", "orders"))
    assert (inside["encrypted"], inside["security"]) == (1, ["mutual_tls"])
    assert inside["p95_ms"] > 0
    assert inside["requests_per_second"] > 0
    outside = until(lambda: mesh.edge("clients", "gateway"))
    assert (outside["encrypted"], outside["security"]) == (0, ["none"])


def test_the_command_says_the_same(mesh: Any) -> None:
    page(mesh)
    shown = mesh.shop.gatehouse("mesh", "topology")
    assert re.search(r"storefront +orders +[\d.]+ +\d+ +\d+ +[\d.]+ ms +100%", shown)
    assert re.search(r"clients +gateway .* 0%", shown)


def test_what_only_the_destination_saw_is_strange(mesh: Any, until: Any) -> None:
    """Who has taken a service's identity does not call through its sidecar."""
    for _ in range(3):
        assert mesh.call("identity", "GET", "/jwks.json", mesh.of("profiles")).status == 200
    edge = until(lambda: (one := mesh.edge("profiles", "identity")) and one["requests"] >= 3 and one)
    assert edge["seen_by"]["destination"] > edge["seen_by"]["source"]


def test_denials_are_told_by_the_line_that_decided(mesh: Any, until: Any) -> None:
    line = next(n for n, text in enumerate(mesh.file.read_text().splitlines(), 1) if "name: shop-page" in text) - 3
    before = mesh.denied("storefront", "orders")
    assert mesh.call("orders", "DELETE", "/openapi.json", mesh.of("storefront")).status == 403
    until(lambda: mesh.denied("storefront", "orders") == before + 1)
    (told,) = (
        one for one in mesh.topology()["denials"] if one["source"] == "storefront" and one["destination"] == "orders"
    )
    assert (told["reason"], told["policy"]) == ("policy_not_allowed", f"mesh.yaml:{line}")
    assert f"by mesh.yaml:{line}" in mesh.shop.gatehouse("mesh", "topology")


def test_identities_are_told_with_the_end_of_their_certificates(mesh: Any) -> None:
    nodes = {one["name"]: one for one in mesh.topology()["nodes"]}
    assert set(nodes) == {"gateway", "egress", *mesh.status()["services"]}
    assert {"gateway", "identity", "orders", "profiles", "storefront"} <= set(nodes)
    assert nodes["gateway"]["processes"] == 2
    assert all(one["certificate_expires"] for one in nodes.values())
    assert mesh.shop.metric("gateway_mesh_identity_expiry_timestamp_seconds", worker="orders-sidecar") > 1e9
    assert mesh.shop.metric("gateway_mesh_identity_expiry_timestamp_seconds", worker="gateway-1") > 1e9


def test_sidecars_count_in_no_number_of_the_gateways(mesh: Any, until: Any) -> None:
    """One request of a user is one request, however many hops it takes inside."""
    shop = mesh.shop
    name = "http_server_request_duration_seconds_count"
    before, inside = settled(lambda: shop.metric(name)), mesh.metric(name)
    for _ in range(4):
        assert page(mesh).status == 200
    until(lambda: mesh.metric(name) >= inside + 4 * 5)  # into storefront; out of it, and in, for each of two others
    assert settled(lambda: shop.metric(name)) == before + 4
    text = shop.admin("GET", "/metrics").body.decode()
    assert "into-orders" not in text
    assert "storefront-to-orders" not in text
    assert shop.metric("http_server_active_requests") == 0
    clusters = set(re.findall(r'gateway_cluster_connections\{gateway_cluster="(\w+)"', text))
    assert "app" not in clusters
    assert mesh.metric("gateway_cluster_connections", service="orders", gateway_cluster="app") >= 1


def test_a_refusal_inside_is_explained_by_the_sidecar_that_refused(mesh: Any, until: Any) -> None:
    """The client's trace id leads to the line, though the client was refused nothing."""
    with mesh.edited("name: shop-page, principals: [storefront]", "name: shop-page, principals: [profiles]"):
        answer = page(mesh)
    (error,) = answer.json()["errors"]
    assert error["extensions"]["reason"] == "policy_not_allowed"

    def told() -> Any:
        found = mesh.shop.admin("GET", f"/explanations/{answer.trace_id}").json()["explanations"]
        return [one for one in found if one["worker"] == "orders-sidecar"]

    (refusal,) = until(told)
    assert (refusal["outcome"], refusal["reason"]) == ("deny", "policy_not_allowed")
    assert refusal["policy"].startswith("mesh.yaml:")
    shown = mesh.shop.gatehouse("explain", "--trace", answer.trace_id, code=1)
    assert "SIDECAR orders-sidecar: refused with 403, reason policy_not_allowed, by mesh.yaml:" in shown
    assert "sa/storefront" in shown
    assert "SERVICE storefront: answered 200" in shown
    assert "storefront-sidecar" not in shown  # it only passed on what it got


@pytest.mark.parametrize(
    ("words", "outcome", "code"),
    [
        (("storefront", "orders", "GET", "/orders/1"), "would forward", 0),
        (("gateway", "profiles", "POST", "/profiles/soap"), "would forward", 0),
        (("profiles", "orders", "GET", "/orders/1"), "would refuse with 403, reason policy_not_allowed", 1),
        (("storefront", "identity", "POST", "/token"), "would refuse with 403, reason policy_not_allowed", 1),
    ],
)
def test_what_a_sidecar_would_say(mesh: Any, words: tuple[str, ...], outcome: str, code: int) -> None:
    before = mesh.topology()["denials"]
    shown = mesh.shop.gatehouse("mesh", "explain", *words, code=code)
    assert f"SIDECAR of {words[1]}: {outcome}" in shown
    assert mesh.topology()["denials"] == before  # nothing was sent, nothing counted


def test_who_is_not_there_cannot_be_asked_about(mesh: Any) -> None:
    assert "nobody" in mesh.shop.gatehouse("mesh", "explain", "nobody", "orders", "GET", "/", code=2)
    assert "there are gateway" in mesh.shop.gatehouse("mesh", "explain", "orders", "alerts", "GET", "/", code=2)


def test_traces_have_no_spans_of_sidecars(mesh: Any, until: Any) -> None:
    answer = page(mesh)

    def spans() -> Any:
        found = mesh.shop.admin("GET", f"/traces/{answer.trace_id}").json().get("spans", [])
        return found if {"gateway", "orders", "profiles", "storefront"} <= {one["service"] for one in found} else None

    found = until(spans)
    assert {one["service"] for one in found} == {"gateway", "storefront", "orders", "profiles"}
    by_id = {one["span_id"]: one for one in found}
    entry = next(one for one in found if one["service"] == "orders" and one["kind"] == "server")
    assert by_id[entry["parent_id"]]["service"] == "storefront"


def test_the_json_is_for_machines(mesh: Any) -> None:
    found = json.loads(mesh.shop.gatehouse("mesh", "topology", "--json"))
    assert set(found) == {"seconds", "nodes", "edges", "denials"}
    assert 0 < found["seconds"] <= 61
