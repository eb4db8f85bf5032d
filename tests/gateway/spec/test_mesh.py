"""What a mesh's file means for each sidecar, and what is said of mistakes in it."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from gateway.compile.table import answering_types, authenticating_types, filter_types
from gateway.control.supervisor.manifest import load_manifest
from gateway.spec.errors import SpecErrors
from gateway.spec.filters import AuthorizationPolicy
from gateway.spec.mesh import Members, certificate_life, load_mesh
from gateway.spec.models import FilterSpec, Spec
from gateway.spec.restore import restore

PEERS = {"identity": (), "orders": ("identity",), "storefront": ("identity", "orders"), "alerts": ()}
PREFIX = "spiffe://gatehouse.local/ns/shop/sa/"
MEMBERS = Members(PEERS, {name: PREFIX + name for name in (*PEERS, "gateway", "control")})
GOOD = """
services:
  - name: orders
    filters:
      - {type: RateLimit, requests: 5}
      - type: AuthorizationPolicy
        deny: [{name: none, principals: [alerts], unless: {principals: [gateway]}}]
        allow:
          - {name: friends, principals: [gateway, storefront], methods: [GET]}
          - {name: others, principals: ["spiffe://elsewhere.example/ns/a/sa/b"]}
    timeouts: {request: 9s}
    calls: [{to: identity, timeouts: {request: 2s}}]
  - name: storefront
clusters:
  - {name: orders, loadBalancing: round_robin, maxPending: 7}
"""


def load(text: str, peers: Members = MEMBERS) -> dict[str, Spec]:
    known = (filter_types(), authenticating_types(), answering_types())
    return load_mesh(dedent(text), "mesh.yaml", {}, peers, *known, Path(), 0.0)


def test_the_shops_mesh_loads_and_opens_nothing_to_everybody() -> None:
    root = Path(__file__).parents[3]
    manifest = load_manifest(root / "sample_services" / "manifest.yaml")
    peers = {one.name: one.peers for one in manifest.services if one.port}
    members = Members(peers, {name: PREFIX + name for name in (*peers, "gateway")})
    specs = load((root / "config" / "mesh.yaml").read_text(), members)
    assert set(specs) == set(peers)
    for name, spec in specs.items():
        rules = policy(spec.routes[0].filters)
        assert rules.proves_identity, name
        assert not any("*" in one for rule in rules.allow for one in rule.principals), name


def mistakes(text: str) -> list[str]:
    with pytest.raises(SpecErrors) as caught:
        load(text)
    return [f"{one.line}: {one.message}" for one in caught.value.errors]


def policy(filters: tuple[FilterSpec, ...]) -> AuthorizationPolicy:
    (found,) = (one for one in filters if isinstance(one, AuthorizationPolicy))
    return found


def test_a_sidecar_lets_in_what_the_file_says_and_tells_its_service() -> None:
    orders = load(GOOD)["orders"]
    into = orders.routes[0]
    assert [one.type for one in into.filters] == [
        "RateLimit",
        "AuthorizationPolicy",
        "KeepOnwardTokens",
        "SidecarSecret",
    ]
    assert [one.type for one in orders.routes[1].filters] == ["ServiceSecret", "UseOnwardToken"]
    assert (into.name, into.listeners, into.backend_refs[0].cluster) == ("into-orders", ("inbound",), "app")
    assert into.timeouts.request == 9.0
    assert not into.public
    inbound, to_identity = orders.listeners
    assert inbound.tls is not None
    assert inbound.tls.mesh
    assert to_identity.tls is None
    assert {one.address for one in orders.listeners} == {"127.0.0.1"}


def test_names_of_services_are_identities_and_others_stay_as_they_are() -> None:
    rules = policy(load(GOOD)["orders"].routes[0].filters)
    assert rules.allow[0].principals == (PREFIX + "gateway", PREFIX + "storefront")
    assert rules.allow[1].principals == ("spiffe://elsewhere.example/ns/a/sa/b",)
    assert rules.deny[0].principals == (PREFIX + "alerts",)
    assert rules.deny[0].unless is not None
    assert rules.deny[0].unless.principals == (PREFIX + "gateway",)


@pytest.mark.parametrize("name", ["identity", "storefront", "alerts"])
def test_who_says_nothing_is_called_by_nobody(name: str) -> None:
    rules = policy(load(GOOD)[name].routes[0].filters)
    assert rules.enforced
    assert rules.proves_identity
    assert not set(rules.allow[0].principals) & set(MEMBERS.identities.values())


def test_every_peer_has_a_listener_and_a_cluster_that_must_be_exactly_it() -> None:
    storefront = load(GOOD)["storefront"]
    assert [one.name for one in storefront.listeners] == ["inbound", "to-identity", "to-orders"]
    assert [one.name for one in storefront.routes] == [
        "into-storefront",
        "storefront-to-identity",
        "storefront-to-orders",
    ]
    app, identity, orders = storefront.clusters
    assert (app.name, app.service, app.tls) == ("app", "app", None)
    assert identity.tls is not None
    assert identity.tls.identity == PREFIX + "identity"
    assert (orders.service, orders.load_balancing, orders.max_pending) == ("orders", "round_robin", 7)
    assert load(GOOD)["orders"].routes[1].timeouts.request == 2.0


def test_places_are_those_of_the_file() -> None:
    orders = load(GOOD)["orders"]
    assert orders.routes[0].where == "mesh.yaml:3"
    assert [one.where for one in orders.routes[0].filters[:2]] == ["mesh.yaml:5", "mesh.yaml:6"]
    assert orders.routes[1].where == "mesh.yaml:12"


def test_a_spec_travels_to_its_sidecar_as_plain_data() -> None:
    for spec in load(GOOD).values():
        assert restore(spec.model_dump(mode="json", by_alias=True), filter_types()) == spec


def test_mistakes_are_told_with_their_lines() -> None:
    text = """
    services:
      - name: orders
        filters:
          - {type: RateLimit, requests: -5}
          - {type: Authorise}
        listeners: [inbound]
        calls:
          - {to: identity, timeouts: {request: soon}}
          - {to: storefront}
          - to: identity
            filters:
              - {type: URLRewrite, hostname: []}
    clusters:
      - {name: identity, loadBalancing: fastest}
      - {name: identty}
    """
    found = mistakes(text)
    assert [line.partition(":")[0] for line in found] == ["5", "6", "7", "9", "10", "11", "15", "16"]
    assert "must be a peer" in found[4]
    assert "already" in found[5]
    assert "somebody calls" in found[7]


def test_what_several_sidecars_share_is_told_once() -> None:
    assert len(mistakes("services: []\nclusters: [{name: identity, maxPending: -1}]")) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("services: 5", "a list of services"),
        ("- a", "a list of services"),
        ("services: [{name: nobody}]", "must be a service of the mesh"),
        ("services: [{name: orders}, {name: orders}]", "stands here already"),
        ("services: [5]", "must be a service of the mesh"),
        ("services: []\nroutes: []", 'unknown key "routes"'),
        ("services: [{name: orders, calls: 5}]", "expected a list"),
        ("services: [{name: orders, calls: [{to: identity, filters: 5}]}]", "filters"),
        ("services: [{name: orders, calls: [5]}]", "must be a peer: identity"),
        ("services: [{name: orders, public: true}]", "public"),
    ],
)
def test_what_is_no_mesh_is_said_so(text: str, message: str) -> None:
    assert message in " ".join(mistakes(text))


def test_a_filter_of_a_call_has_its_own_line() -> None:
    text = """
    services:
      - name: orders
        calls:
          - to: identity
            filters:
              - {type: RequestHeaderModifier, remove: [a]}
              - {type: URLRewrite, hostname: []}
    """
    assert [line.partition(":")[0] for line in mistakes(text)] == ["8"]
    good = load(text.replace("hostname: []", "hostname: a"))["orders"].routes[1]
    assert [one.type for one in good.filters] == [
        "ServiceSecret",
        "UseOnwardToken",
        "RequestHeaderModifier",
        "URLRewrite",
    ]
    assert [one.where for one in good.filters[2:]] == ["mesh.yaml:7", "mesh.yaml:8"]


@pytest.mark.parametrize("side", ["deny", "allow"])
@pytest.mark.parametrize("inside", ["principals: [storefornt]", "unless: {principals: [storefornt]}"])
def test_a_name_of_nobody_is_a_mistake(side: str, inside: str) -> None:
    rule = f"{side}: [{{name: a, {inside}}}]"
    found = mistakes(f"services:\n  - name: orders\n    filters: [{{type: AuthorizationPolicy, {rule}}}]")
    assert [one for one in found if "neither a service" in one and one.startswith("3: ")]


@pytest.mark.parametrize(
    "policy",
    ["deny: [{name: a, principals: [alerts]}]", "enforced: false, allow: [{name: a, principals: [alerts]}]"],
    ids=["only denies", "only counts"],
)
def test_what_says_of_nobody_that_it_may_come_opens_nothing(policy: str) -> None:
    text = f"services: [{{name: orders, filters: [{{type: AuthorizationPolicy, {policy}}}]}}]"
    *_, last = (one for one in load(text)["orders"].routes[0].filters if isinstance(one, AuthorizationPolicy))
    assert last.proves_identity
    assert not set(last.allow[0].principals) & set(MEMBERS.identities.values())


def test_a_rule_that_names_nobody_means_everybody_of_the_mesh_and_nobody_else() -> None:
    rule = "{name: a, paths: [/public]}, {name: b, principals: [alerts]}"
    text = f"services: [{{name: orders, filters: [{{type: AuthorizationPolicy, allow: [{rule}]}}]}}]"
    rules = policy(load(text)["orders"].routes[0].filters)
    assert [one.principals for one in rules.allow] == [(PREFIX + "*",), (PREFIX + "alerts",)]


@pytest.mark.parametrize(
    ("said", "life"), [("", 600.0), ("certificateLife: 4s\n", 4.0), ("certificateLife: 1h\n", 3600.0)]
)
def test_for_how_long_a_certificate_is_good(said: str, life: float) -> None:
    assert certificate_life(f"{said}services: []", "mesh.yaml", {}) == life
    assert load(f"{said}services: []")


@pytest.mark.parametrize("said", ["5", "1s", "25h", "soon", "-4s", "[]", "null"])
def test_what_is_no_life_for_a_certificate(said: str) -> None:
    (found,) = mistakes(f"certificateLife: {said}\nservices: []")
    assert found.startswith("1: ")
    assert "from 2s to 24h" in found
