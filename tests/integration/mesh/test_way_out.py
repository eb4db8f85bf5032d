"""The way out of a mesh: a door that asks who comes, and lets nobody call but those who are to."""

from __future__ import annotations

import ssl
from typing import Any

import pytest


def test_orders_calls_its_third_party_through_two_doors_and_it_shows(mesh: Any, until: Any) -> None:
    shop = mesh.shop
    user = shop.token("alice")
    order = shop.order(user, (4, 1))["id"]
    paid = shop.send("POST", f"/orders/{order}/pay", token=user)
    assert paid.status == 201, paid.body
    edge = until(lambda: (one := mesh.edge("orders", "egress")) and one["seen_by"]["destination"] and one)
    assert edge["security"] == ["mutual_tls"]
    assert until(lambda: mesh.edge("egress", "payments"))["security"] == ["none"]


def test_nobody_else_gets_out(mesh: Any, until: Any) -> None:
    for name in ("profiles", "gateway"):
        before = mesh.denied(name, "egress")
        refused = mesh.call("egress", "POST", "/payments", mesh.of(name))
        assert (refused.status, refused.reason) == (403, "policy_not_allowed")
        until(lambda name=name, before=before: mesh.denied(name, "egress") == before + 1)
    assert mesh.call("egress", "GET", "/about", mesh.of("orders")).reason == "no_route"
    with pytest.raises((ConnectionError, ssl.SSLError)):
        mesh.call("egress", "POST", "/payments", mesh.nobody())


def test_the_egress_gateway_calls_nobody_inside(mesh: Any) -> None:
    for name in ("identity", "orders", "profiles"):
        assert mesh.call(name, "GET", "/products", mesh.of("egress")).status == 403
