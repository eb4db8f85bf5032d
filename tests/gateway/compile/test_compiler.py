"""What a reload keeps, what it builds anew, and what it lets go."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from textwrap import dedent

import pytest

from gateway.compile.compiler import Runtime, compile_spec, retired
from gateway.compile.load import load_text
from gateway.compile.snapshot import Snapshot
from gateway.compile.table import answering_types, authenticating_types, filter_classes
from gateway.filters.rate_limit import SharedRateLimit
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.upstream.redis_account import Account

CONFIG = """
listeners:
  - {name: public, port: 1}
  - {name: internal, port: 2}
providers:
  - {name: shop, issuer: "https://id.test", audiences: [shop], jwks: {cluster: identity, path: /jwks.json}}
clusters:
  - {name: orders, service: orders}
  - {name: canary, endpoints: ["127.0.0.1:9"]}
  - {name: identity, endpoints: ["127.0.0.1:8"]}
filters:
  - {type: RateLimit, name: address, requests: 10}
routes:
  - name: orders
    listeners: [public]
    matches: [{path: {value: /orders}}]
    filters:
      - {type: JWT, provider: shop}
      - {type: RateLimit, name: own, requests: 5}
    backendRefs: [{cluster: orders, weight: 3}, {cluster: canary, weight: 1}, {cluster: identity, weight: 0}]
  - name: keys
    listeners: [internal]
    public: true
    backendRefs: [{cluster: identity}]
"""
RUNTIME = Runtime(Metrics(), lambda: 0.0, lambda: 0.0, Random(1))


def compiled(
    text: str = CONFIG, before: Snapshot | None = None, orders: tuple[str, ...] = ("127.0.0.1:7",)
) -> Snapshot:
    spec = load_text(dedent(text), "test.yaml", {})
    return compile_spec(spec, {"orders": orders}, 1, RUNTIME, before or Snapshot.empty())


def route_of(snapshot: Snapshot, path: str, listener: str = "public") -> str | None:
    request = Request("GET", path, "", [], {}, "any.test")
    request.listener = listener
    route = snapshot.match(request)
    return route.name if route else None


def test_listeners_serve_only_their_own_routes() -> None:
    snapshot = compiled()
    assert route_of(snapshot, "/orders/1") == "orders"
    assert route_of(snapshot, "/jwks.json") is None
    assert route_of(snapshot, "/jwks.json", "internal") == "keys"
    assert route_of(snapshot, "/orders/1", "internal") == "keys"


def test_chains_are_shared_filters_first() -> None:
    snapshot = compiled()
    request = Request("GET", "/orders", "", [], {}, "")
    request.listener = "public"
    route = snapshot.match(request)
    assert route is not None
    assert [one.name for one in route.chain.filters] == ["RateLimit", "JWT", "RateLimit"]
    assert [one.where for one in route.chain.filters] == ["test.yaml:12", "test.yaml:18", "test.yaml:19"]


def test_weights() -> None:
    snapshot = compiled()
    request = Request("GET", "/orders", "", [], {}, "")
    request.listener = "public"
    route = snapshot.match(request)
    assert route is not None
    random, counts = Random(5), {"orders": 0, "canary": 0}
    for _ in range(4_000):
        counts[route.pick_cluster(request, random).name] += 1
    assert 2_850 < counts["orders"] < 3_150
    assert counts["orders"] + counts["canary"] == 4_000


def test_services_are_found_by_name() -> None:
    assert [one.address for one in compiled().clusters["orders"].endpoints] == ["127.0.0.1:7"]
    assert compiled(orders=()).clusters["orders"].endpoints == ()


def test_a_reload_that_moves_lines_keeps_all_state() -> None:
    before = compiled()
    after = compiled("# one more line\n" + dedent(CONFIG), before)
    assert after.clusters == before.clusters
    assert after.providers == before.providers
    assert after.filters == before.filters
    assert after.filters["orders", 0].where == "test.yaml:19"
    assert retired(before, after) == ([], [])


def test_a_reload_renews_only_what_changed() -> None:
    before = compiled()
    text = CONFIG.replace("requests: 5", "requests: 6").replace("service: orders}", "service: orders, maxPending: 7}")
    after = compiled(text, before)
    assert after.filters["orders", 1] is not before.filters["orders", 1]
    assert after.filters["orders", 0] is before.filters["orders", 0]
    assert after.clusters["orders"] is not before.clusters["orders"]
    assert after.clusters["canary"] is before.clusters["canary"]
    assert retired(before, after) == ([before.clusters["orders"]], [])


def test_a_cluster_with_other_endpoints_is_the_same_cluster_and_gets_them_with_the_swap() -> None:
    before = compiled()
    orders, canary = before.clusters["orders"], before.clusters["canary"]
    text = CONFIG.replace('"127.0.0.1:9"', '"127.0.0.1:9", {address: "127.0.0.1:10", weight: 3}')
    after = compiled(text, before, orders=("127.0.0.1:7", "127.0.0.1:6"))
    assert after.clusters == before.clusters
    assert retired(before, after) == ([], [])
    assert [one.address for one in orders.endpoints] == ["127.0.0.1:7"]  # nothing has changed before the swap
    seven = orders.endpoints[0]
    for cluster, spec, addresses in after.moved:
        cluster.update(spec, addresses)
    assert [one.address for one in orders.endpoints] == ["127.0.0.1:7", "127.0.0.1:6"]
    assert orders.endpoints[0] is seven
    assert [(one.address, one.weight) for one in canary.endpoints] == [("127.0.0.1:9", 1), ("127.0.0.1:10", 3)]
    assert compiled(text, after, orders=("127.0.0.1:7", "127.0.0.1:6")).moved == []


def test_a_provider_whose_cluster_changed_is_renewed_with_its_filters() -> None:
    before = compiled()
    after = compiled(CONFIG.replace("127.0.0.1:8", "127.0.0.1:5"), before)
    assert after.providers["shop"] is not before.providers["shop"]
    assert after.filters["orders", 0] is not before.filters["orders", 0]


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1:9",), ("127.0.0.1:8", "127.0.0.1:9"), ()], ids=["moved", "two", "none"]
)
def test_an_issuer_with_other_copies_stays_the_one_that_is_believed(addresses: tuple[str, ...]) -> None:
    text = CONFIG.replace('endpoints: ["127.0.0.1:8"]', "service: identity")
    spec, orders = load_text(text, "test.yaml", {}), {"orders": ["127.0.0.1:7"]}
    before = compile_spec(spec, {**orders, "identity": ["127.0.0.1:8"]}, 1, RUNTIME, Snapshot.empty())
    after = compile_spec(spec, {**orders, "identity": addresses}, 2, RUNTIME, before)
    assert [(one.cluster.name, one.addresses) for one in after.moved] == [("identity", addresses)]
    assert after.providers["shop"] is before.providers["shop"]
    assert after.filters["orders", 0] is before.filters["orders", 0]


STORE = CONFIG + 'stores: [{name: shared, address: "127.0.0.1:6379", user: gateway, password: s3cret}]\n'
SHARED = STORE.replace("name: own, requests: 5", "name: own, requests: 5, store: shared, onStoreFailure: fail_open")


def test_a_store_and_its_limits_are_kept_while_it_is_the_same() -> None:
    before = compiled(SHARED)
    limit = before.filters["orders", 1]
    assert isinstance(limit, SharedRateLimit)
    assert limit.prefix == "limits:orders:own:"
    assert limit.store.account == Account("127.0.0.1:6379", "gateway", "s3cret")
    same = compiled(SHARED, before)
    assert (same.stores, same.filters["orders", 1]) == (before.stores, limit)
    moved = compiled(SHARED.replace("s3cret", "another"), before)
    assert moved.filters["orders", 1] is not limit
    assert retired(before, moved) == ([], [before.stores["shared"]])


def test_the_supervisors_redis_is_used_where_there_is_one() -> None:
    text = CONFIG + "stores: [{name: shared, service: redis}]\n"
    with pytest.raises(ValueError, match="supervisor's Redis"):
        compiled(text)
    account = Account("127.0.0.1:6390", "gateway", "given")
    spec = load_text(dedent(text), "test.yaml", {})
    snapshot = compile_spec(spec, {}, 1, replace(RUNTIME, redis=account), Snapshot.empty())
    assert snapshot.stores["shared"].account == account


def test_the_table_knows_every_filter() -> None:
    assert {"JWT", "Authorize", "RateLimit", "Quota", "URLRewrite", "RequestRedirect"} <= set(filter_classes())
    assert set(authenticating_types()) == {"ApiKey", "JWT", "TokenIntrospection", "WebhookSignature"}
    assert set(answering_types()) == {"Jwks", "RequestRedirect"}
    for name, one in filter_classes().items():
        assert one.Spec.model_fields["type"].default == name
