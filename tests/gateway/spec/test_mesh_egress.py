"""Ways out: what a configuration may say of them, and what becomes of them in a mesh."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.compile.load import load_spec
from gateway.mesh.identity import identity_of
from gateway.spec.errors import SpecErrors
from gateway.spec.mesh_egress import NOBODY, with_callers

SHOP = Path(__file__).parents[3] / "config" / "shop.yaml"
FILE = """
listeners:
  - {name: public, port: 1}
  - {name: to-payments, port: 2, egress: {thirdParty: payments}%(more)s}
clusters: [{name: payments, endpoints: ["127.0.0.1:9"]}]
routes:
  - {name: ask, listeners: [%(listeners)s], public: true, backendRefs: [{cluster: payments}]}
"""


@pytest.mark.parametrize(
    ("more", "listeners", "told"),
    [
        (", forwardProxy: {}", "to-payments", "not both"),
        (", tls: {mesh: true}", "to-payments", "take tls out"),
        ("", "public, to-payments", "a way out has routes of its own"),
        ("}\n  - {name: again, port: 3, egress: {thirdParty: payments}", "to-payments", '"to-payments" leads there'),
    ],
)
def test_what_is_wrong_is_told(load_text: Any, more: str, listeners: str, told: str) -> None:
    with pytest.raises(SpecErrors, match=told):
        load_text(FILE % {"more": more, "listeners": listeners})
    assert load_text(FILE % {"more": "", "listeners": "to-payments"}).listeners[1].egress.third_party == "payments"


def test_in_a_mesh_a_way_out_is_a_door_of_the_mesh() -> None:
    spec = load_spec(SHOP, {})
    orders = identity_of("orders")
    meshed = with_callers(spec, {"payments": [orders]})
    listeners = {one.name: one for one in meshed.listeners}
    assert listeners["to-payments"].tls is not None
    assert listeners["to-payments"].tls.mesh
    assert listeners["public"].tls is None
    policies = {route.name: route.filters[0] for route in meshed.routes if route.filters}
    assert policies["ask-payments"].model_dump()["allow"][0]["principals"] == (orders,)
    others = [route for route in meshed.routes if route.name != "ask-payments"]
    assert others == [route for route in spec.routes if route.name != "ask-payments"]


def test_a_third_party_that_nobody_calls_is_called_by_nobody() -> None:
    ask = next(route for route in with_callers(load_spec(SHOP, {}), {}).routes if route.name == "ask-payments")
    assert ask.filters[0].model_dump()["allow"][0]["principals"] == (NOBODY,)
