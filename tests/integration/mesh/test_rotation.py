"""Everything of a mesh that changes while requests go on: certificates, roots, policies. None of it fails a request."""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import Iterator
from typing import Any

import pytest

LIFE = 4.0
"""Seconds for which a certificate is good here: each process renews every 2 to 3 of them."""


@pytest.fixture(scope="module")
def short(start_mesh: Any) -> Iterator[Any]:
    """A mesh whose certificates are good for seconds."""
    with start_mesh(f"certificateLife: {LIFE:g}s") as one:
        yield one


def generations(mesh: Any) -> int:
    """How many certificates the authority has given out since its start."""
    return sum(one["count"] for one in mesh.authority()["results"] if one["result"] == "granted")


async def served(hammering: Any, shop: Any, change: Any) -> dict[str, Any]:
    """How requests through one hop and through two ended while `change` was going on."""
    alice = shop.token("alice")
    async with hammering(f"{shop.url}/products/1") as one, hammering(f"{shop.url}/orders/1001", alice, 0.3, 1) as own:
        page = asyncio.create_task(pages(shop, alice))
        await asyncio.to_thread(change)
        page.cancel()
        two = await asyncio.gather(page, return_exceptions=True)
    failed = [what for what in two if isinstance(what, AssertionError)]
    assert not failed
    assert one.keys() == own.keys() == {"200"}, (one, own)
    return {"one hop": one["200"], "own orders": own["200"]}


async def pages(shop: Any, alice: str) -> None:
    """The screen that storefront makes of what it asks orders and profiles for: two hops each."""
    query = {"query": "{ me { username profile { fullName } orders { id } } }"}
    while True:
        answer = await asyncio.to_thread(shop.send, "POST", "/graphql", json=query, token=alice)
        document = answer.json()
        assert answer.status == 200
        assert "errors" not in document, document
        await asyncio.sleep(0.2)  # its limit is one in 0.2 s


async def test_certificates_are_renewed_several_times_and_no_request_fails(
    short: Any, hammering: Any, until: Any
) -> None:
    before = generations(short)
    wanted = before + 4 * (3 + len(short.status()["sidecars"]))  # two workers, control and the sidecars: four times
    counts = await served(hammering, short.shop, lambda: until(lambda: generations(short) >= wanted, 60.0))
    assert counts["one hop"] > 200
    assert short.metric("gateway_tls_handshakes_total", service="orders", result="complete") >= 4


async def test_no_connection_outlives_the_certificates_that_it_was_made_with(short: Any, until: Any) -> None:
    """A client that keeps its connection to a sidecar, and asks again and again, is sent away in time."""
    host, port = short.inbound("orders")
    began = time.monotonic()
    kept = http.client.HTTPSConnection(host, port, context=short.of("gateway"), timeout=10)
    kept.connect()
    while True:
        kept.request("GET", "/products/1")
        answer = kept.getresponse()
        answer.read()
        assert answer.status == 200
        if answer.getheader("connection") == "close":
            break
        assert time.monotonic() - began < 2 * LIFE, (
            "its certificate is good for ten minutes; that of the sidecar is not"
        )
        await asyncio.sleep(0.05)
    kept.close()


async def test_the_root_changes_and_no_request_fails(short: Any, hammering: Any) -> None:
    former = (short.shop.state / "mesh" / "root.pem").read_text()
    await served(hammering, short.shop, lambda: short.shop.gatehouse("mesh", "rotate-root"))
    assert (short.shop.state / "mesh" / "root.pem").read_text() != former
    assert not short.authority()["changing_root"]
    assert short.call("orders", "GET", "/products", short.of("gateway")).status == 200  # of the new root
    short.shop.gatehouse("restart", "profiles-sidecar")  # who starts now believes the new one
    assert short.status()["ready"]


async def test_policies_are_pushed_and_no_request_fails(mesh: Any, hammering: Any) -> None:
    text = mesh.file.read_text()

    def push() -> None:
        for number in range(10):
            mesh.save(text.replace("timeouts: {request: 4s}", f"timeouts: {{request: {5 + number}s}}"))
        mesh.save(text)

    version = mesh.status()["version"]
    await served(hammering, mesh.shop, push)
    assert mesh.status()["version"] >= version + 11
    assert {one["version"] for one in mesh.status()["sidecars"]} == {mesh.status()["version"]}


def test_a_policy_that_shuts_somebody_out_holds_as_soon_as_it_is_served(mesh: Any) -> None:
    """And lets everybody in again who was let in before."""
    alice = mesh.shop.token("alice")
    query = {"query": "{ me { username orders { id } } }"}

    def orders_of_the_page() -> Any:
        return mesh.shop.send("POST", "/graphql", json=query, token=alice).json()["data"]["me"]["orders"]

    assert orders_of_the_page()
    with mesh.edited("name: shop-page, principals: [storefront]", "name: shop-page, principals: [profiles]"):
        assert orders_of_the_page() is None
        assert mesh.shop.send("GET", "/orders/1001", token=alice).status == 200
    assert orders_of_the_page()


def test_a_broken_file_changes_nothing_and_is_told_with_its_line(mesh: Any, until: Any) -> None:
    before, version = mesh.file.read_text(), mesh.status()["version"]
    line = next(number for number, text in enumerate(before.splitlines(), 1) if "name: shop-page" in text)
    mesh.file.write_text(before.replace("principals: [storefront], paths", "principals: [storefornt], paths"))
    try:
        told = until(lambda: mesh.status()["errors"])
        assert f"mesh.yaml:{line}" in told[0]
        assert 'did you mean "storefront"' in told[0]
        assert mesh.status()["version"] == version
        assert mesh.status()["ready"]
    finally:
        mesh.file.write_text(before)
    until(lambda: not mesh.status()["errors"])
