"""Real processes: storefront beside the real orders and profiles, asked by the real `gql` client.

Only identity is the test's own, so that this does not depend on how users log in.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from gql import Client, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError

SCREEN = """query ($n: Int!) { me { username profile { fullName loyaltyPoints } orders(first: $n) { id total items {
  quantity unitPrice product { name price reviews(first: 2) { stars text } } } } } }"""


@dataclass
class RealShop:
    """Three processes and the neighbours who sign the tokens."""

    orders: Any
    profiles: Any
    storefront: Any
    neighbours: Any

    def client(self, subject: str | None = None, **token: Any) -> Client:
        """A gql client that checks every query against the schema it has read from the service."""
        signed = self.neighbours.token(subject, **token) if subject else None
        headers = {"Authorization": f"Bearer {signed}"} if signed else {}
        transport = AIOHTTPTransport(f"{self.storefront.url}/graphql", headers=headers, ssl=False)
        return Client(transport=transport, fetch_schema_from_transport=True)


@pytest.fixture
async def real(start_service: Any, neighbours: Any) -> RealShop:
    identity = {"identity": neighbours.url}

    def start() -> tuple[Any, Any, Any]:
        orders = start_service("orders", "sample_services.orders", peers=identity)
        profiles = start_service("profiles", "sample_services.profiles", peers=identity, secrets={"client_secret": "x"})
        peers = {**identity, "orders": orders.url, "profiles": profiles.url}
        return orders, profiles, start_service("storefront", "sample_services.storefront", peers=peers)

    # In a thread: this loop answers the processes when they ask for keys.
    return RealShop(*await asyncio.to_thread(start), neighbours)


async def requests_answered(service: Any) -> int:
    """How many requests, probes apart, a service has answered by its own count."""
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/metrics") as response:
        counts = re.findall(
            r"^http_server_request_duration_seconds_count{.*} (\S+)$", await response.text(), re.MULTILINE
        )
    return int(sum(map(float, counts)))


async def test_the_profile_screen_costs_three_upstream_requests_however_many_orders(real: RealShop) -> None:
    async with real.client("alice") as session:
        for length in (1, 20):
            before = await requests_answered(real.orders), await requests_answered(real.profiles)
            me = (await session.execute(GraphQLRequest(SCREEN, variable_values={"n": length})))["me"]
            after = await requests_answered(real.orders), await requests_answered(real.profiles)
            assert me["profile"] == {"fullName": "Alice Sample", "loyaltyPoints": 120}
            assert len(me["orders"]) == length
            assert (after[0] - before[0], after[1] - before[1]) == (2, 1)
    for order in me["orders"]:
        assert order["total"] == sum(item["quantity"] * item["unitPrice"] for item in order["items"])
        assert all(item["product"]["name"] for item in order["items"])


async def test_the_owner_checks_of_the_other_services_hold(real: RealShop) -> None:
    query = GraphQLRequest("{ a: order(id: 1001) { id } b: order(id: 1002) { id } }")
    async with real.client("alice") as session:
        assert await session.execute(query) == {"a": {"id": "1001"}, "b": None}
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(GraphQLRequest("mutation { cancelOrder(id: 1002) { id } }"))
    assert (refused.value.errors or [])[0]["extensions"]["reason"] == "not_owner"


async def test_ordering_reviewing_and_cancelling(real: RealShop) -> None:
    place = GraphQLRequest("""mutation { placeOrder(items: [{productId: 3, quantity: 2}], idempotencyKey: "k-1") {
      id status total items { product { stock } } } }""")
    async with real.client("bob") as session:
        first = (await session.execute(place))["placeOrder"]
        assert (first["status"], first["total"]) == ("placed", 2 * 1450)
        again = (await session.execute(place))["placeOrder"]
        assert again["id"] == first["id"]
        assert again["items"] == first["items"] == [{"product": {"stock": 798}}]
        review = GraphQLRequest(
            'mutation { addReview(productId: 12, stars: 5, text: "Holds water.") { author product { name } } }'
        )
        written = (await session.execute(review))["addReview"]
        assert written == {"author": "bob", "product": {"name": "Rain barrel"}}
        cancel = GraphQLRequest(
            "mutation ($id: ID!) { cancelOrder(id: $id) { status } }", variable_values={"id": first["id"]}
        )
        assert (await session.execute(cancel))["cancelOrder"] == {"status": "cancelled"}


async def test_paging_through_the_real_catalogue(real: RealShop) -> None:
    query = """query ($after: String) { products(first: 7, after: $after) {
      nodes { id } pageInfo { hasNextPage endCursor } } }"""
    seen: list[str] = []
    page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    async with real.client() as session:
        while page["hasNextPage"]:
            found = await session.execute(GraphQLRequest(query, variable_values={"after": page["endCursor"]}))
            seen += [node["id"] for node in found["products"]["nodes"]]
            page = found["products"]["pageInfo"]
    assert seen == [str(number) for number in range(1, 16)]


async def test_when_orders_dies_the_rest_still_answers_and_the_process_stops_cleanly(real: RealShop) -> None:
    real.orders.kill()
    async with real.client("alice") as session:
        with pytest.raises(TransportQueryError) as partial:
            await session.execute(GraphQLRequest(SCREEN, variable_values={"n": 1}))
    assert partial.value.data is not None
    assert partial.value.data["me"]["profile"]["fullName"] == "Alice Sample"
    assert partial.value.data["me"]["orders"] is None
    assert (partial.value.errors or [])[0]["extensions"]["reason"] == "peer_unavailable"
    async with aiohttp.ClientSession() as http, http.get(real.storefront.url) as page:
        assert page.status == 200
        assert "The products are not available right now" in await page.text()
    assert real.storefront.stop() == 0
    assert "Traceback" not in real.storefront.log_text()
