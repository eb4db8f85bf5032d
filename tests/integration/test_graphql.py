"""GraphQL by a client that reads the schema (gql), and refusals that such a client understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.exceptions import TransportQueryError
from graphql import build_schema, print_schema

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.whole_system


def graphql(shop: Any, token: str | None = None) -> Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    schema = shop.send("GET", "/schema.graphql", port=shop.ports["internal"]).body.decode()
    return Client(schema=schema, transport=AIOHTTPTransport(f"{shop.url}/graphql", headers=headers, ssl=False))


async def test_one_query_reads_from_three_services(shop: Any, alice: str) -> None:
    query = GraphQLRequest("""{ me { username profile { fullName }
        orders(first: 3) { id total items { quantity unitPrice product { name reviews(first: 1) { stars } } } } } }""")
    async with graphql(shop, alice) as session:
        me = (await session.execute(query))["me"]
    assert (me["username"], me["profile"]["fullName"]) == ("alice", "Alice Sample")
    listed = shop.send("GET", "/orders?limit=3", token=alice).json()["orders"]
    assert [order["id"] for order in me["orders"]] == [str(order["id"]) for order in listed]
    assert all(item["product"]["name"] for order in me["orders"] for item in order["items"])


async def test_an_order_placed_here_is_read_there(shop: Any, customer: str) -> None:
    place = GraphQLRequest("mutation { placeOrder(items: [{productId: 2, quantity: 1}]) { id total } }")
    async with graphql(shop, customer) as session:
        placed = (await session.execute(place))["placeOrder"]
        read = shop.send("GET", f"/orders/{placed['id']}", token=customer).json()
        assert (read["total"], read["status"]) == (placed["total"], "placed")
        cancel = GraphQLRequest(f"mutation {{ cancelOrder(id: {placed['id']}) {{ status }} }}")
        assert (await session.execute(cancel))["cancelOrder"]["status"] == "cancelled"


async def test_without_a_token_there_is_the_catalogue_and_nothing_of_anybody(shop: Any) -> None:
    async with graphql(shop) as session:
        found = await session.execute(GraphQLRequest("{ products(first: 3) { nodes { name } } }"))
        assert len(found["products"]["nodes"]) == 3
        with pytest.raises(TransportQueryError) as refused:
            await session.execute(GraphQLRequest("{ me { username } }"))
    assert refused.value.errors


def test_the_guard_checks_by_the_schema_that_is_served(shop: Any) -> None:
    served = shop.send("GET", "/schema.graphql", port=shop.ports["internal"]).body.decode()
    checked = (ROOT / "config" / "storefront.graphql").read_text()
    assert print_schema(build_schema(served)) == print_schema(build_schema(checked))


def test_a_wrong_guess_gets_no_help(shop: Any, customer: str) -> None:
    guess = {"query": "{ me { usernam } }"}
    helpful = shop.send("POST", "/graphql", token=customer, json=guess, port=shop.ports["storefront"])
    assert b"Did you mean" in helpful.body
    answer = shop.send("POST", "/graphql", token=customer, json=guess)
    told = answer.json()["errors"][0]
    assert (answer.status, told["extensions"]["reason"]) == (400, "graphql_validation")
    assert told["message"] == "Cannot query field 'usernam' on type 'Me'."


def test_refusals_of_the_gateway_are_graphql_errors(shop: Any, customer: str) -> None:
    body = {"query": "{ __typename }"}
    answer = shop.send("POST", "/graphql", token="no.such.token", json=body)
    told = answer.json()["errors"][0]["extensions"]
    assert (answer.status, answer.type) == (401, "application/json")
    assert (told["status"], told["trace_id"]) == (401, answer.trace_id)
    assert told["policy"].startswith("shop.yaml:")

    with shop.connect() as connection:
        for _ in range(500):
            answer = shop.send("POST", "/graphql", token=customer, json=body, on=connection)
            if answer.status == 429:
                break
    assert (answer.status, answer.type) == (429, "application/json")
    assert answer.json()["errors"][0]["extensions"]["reason"] == "rate_limited"
