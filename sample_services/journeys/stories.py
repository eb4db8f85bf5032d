"""The journeys. Each stands for something that people come for; together they touch every service and every style."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from sample_services.journeys.walk import Journey, Walk, check
from sample_services.journeys.world import until
from sample_services.traffic.journeys import read_profile_message

_PROFILES: Final = "https://profiles.shop.example/v1"
SUSPICIOUS: Final = 20
"""Pieces of one product from which on alerts finds an order unusual."""
APP_QUERY: Final = """
query App { me { username profile { fullName } orders(first: 3) { id total items { product { name } } } }
            products(first: 6) { nodes { id name rating { average } reviews(first: 2) { author stars } } } }
"""


async def browse(walk: Walk) -> None:
    """Somebody looks around, without an account."""
    client = walk.world.client
    with walk.step("open the shop's page"):
        page = await client.ask("GET", "/")
        check(b"Garden gate" in page.body, "the page shows no products")
    with walk.step("list products"):
        products = (await client.ask("GET", "/products?limit=5")).json()["products"]
        check(len(products) == 5, f"{len(products)} products in place of 5")
    with walk.step("look at one"):
        one = (await client.ask("GET", f"/products/{products[0]['id']}")).json()
        check(one == products[0], "the product is not what the list says")


async def log_in(walk: Walk) -> None:
    """A customer logs in; the token opens what is theirs."""
    with walk.step("log in"):
        token = await walk.world.login("alice")
    with walk.step("use the token"):
        await walk.world.client.ask("GET", "/orders?limit=1", token=token)


async def order(walk: Walk) -> None:
    """A customer buys something, and sends the order twice by mistake."""
    token, product = await _shopping(walk)
    key, body = {"Idempotency-Key": str(uuid.uuid4())}, _lines(product, 1)
    client = walk.world.client
    with walk.step("order"):
        placed = (await client.ask("POST", "/orders", token=token, json=body, headers=key, expect=(201,))).json()
        check(placed["total"] == product["price"], "the total is not the price")
    with walk.step("order again with the same key"):
        again = (await client.ask("POST", "/orders", token=token, json=body, headers=key, expect=(201,))).json()
        check(again["id"] == placed["id"], "it was ordered twice")
    with walk.step("read the order"):
        read = (await client.ask("GET", f"/orders/{placed['id']}", token=token)).json()
        check(read == placed, "the order is not what was placed")


async def cancel(walk: Walk) -> None:
    """A customer thinks better of it."""
    token, product = await _shopping(walk)
    placed = await _place(walk, token, product, 1)
    with walk.step("cancel"):
        path = f"/orders/{placed['id']}/cancel"
        cancelled = (await walk.world.client.ask("POST", path, token=token)).json()
        check(cancelled["status"] == "cancelled", "it is not cancelled")


async def own_orders(walk: Walk) -> None:
    """A customer reads their orders, and nobody else's."""
    client = walk.world.client
    with walk.step("log in"):
        token = await walk.world.token("alice")
    with walk.step("list orders"):
        mine = (await client.ask("GET", "/orders?limit=20", token=token)).json()["orders"]
        check(bool(mine) and {one["customer"] for one in mine} == {"alice"}, "these are not alice's orders")
    with walk.step("read one"):
        await client.ask("GET", "/orders/1001", token=token)
    with walk.step("be refused bob's"):
        await client.ask("GET", "/orders/1002", token=token, expect=(403,))
    with walk.step("be refused without a token"):
        await client.ask("GET", "/orders/1001", expect=(401,))


async def profile_by_rest(walk: Walk) -> None:
    """A customer changes their phone number; of two who change at once, one is told."""
    client, path = walk.world.client, "/profiles/alice"
    with walk.step("log in"):
        token = await walk.world.token("alice")
    with walk.step("read the profile"):
        read = await client.ask("GET", path, token=token)
    with walk.step("change it"):
        change, condition = {"phone": read.json()["phone"]}, {"If-Match": read.headers["ETag"]}
        await client.ask("PATCH", path, token=token, json=change, headers=condition)
    with walk.step("be refused with an old version"):
        await client.ask("PATCH", path, token=token, json=change, headers=condition, expect=(412,))


async def profile_by_soap(walk: Walk) -> None:
    """Support's desktop program reads the contract, then a profile."""
    client = walk.world.client
    with walk.step("read the contract"):
        etree.fromstring((await client.ask("GET", "/profiles/soap?wsdl")).body)
    with walk.step("log in"):
        token = await walk.world.token("carol")
    with walk.step("read a profile"):
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{_PROFILES}/ReadProfile"'}
        body = read_profile_message("alice")
        answer = await client.ask("POST", "/profiles/soap", token=token, data=body, headers=headers)
        names = etree.fromstring(answer.body).findall(".//{*}fullName")
        check([name.text for name in names] == ["Alice Sample"], "the answer names nobody, or somebody else")


async def graphql_page(walk: Walk) -> None:
    """A customer opens the app: one question about themselves, their orders, and products with reviews."""
    with walk.step("log in"):
        token = await walk.world.token("alice")
    with walk.step("open the app"):
        answer = (await walk.world.client.ask("POST", "/graphql", token=token, json={"query": APP_QUERY})).json()
        check("errors" not in answer, f"part of it is missing: {answer.get('errors')}")
        check(answer["data"]["me"]["profile"]["fullName"] == "Alice Sample", "this is not alice's app")
        check(len(answer["data"]["products"]["nodes"]) == 6, "products are missing")


async def password_reset(walk: Walk) -> None:
    """Dora's account was taken over, and her profile dropped: support recovers it, and she sets a password by mail."""
    world, client = walk.world, walk.world.client
    with walk.step("the intruder logs in"):
        token = await world.login("dora")  # not a kept one: resets take them back
    with walk.step("the intruder drops the profile"):
        await client.ask("DELETE", "/profiles/dora", token=token, expect=(204, 404, 410))
    with walk.step("support logs in"):
        support = await world.token("carol")
    former = world.mails("dora")
    with walk.step("support recovers the profile"):
        await client.ask("POST", "/profiles/dora/recover", token=support, json={"reason": "taken over"})
    with walk.step("the mail arrives"):
        mails = await until(lambda: {**world.mails("dora")}.items() - former.items(), "no mail came")
        reset, code = next(iter(mails))
    with walk.step("set a password"):
        body = {"code": code, "new_password": world.settings.users["dora"]}
        await client.ask("POST", f"/auth/credential-resets/{reset}/complete", json=body, expect=(204,))
    with walk.step("log in with it"):
        await world.login("dora")


async def suspicious_order(walk: Walk) -> None:
    """Somebody buys far too much of one thing: the event reaches alerts, and staff see it."""
    token, product = await _shopping(walk)
    placed = await _place(walk, token, product, SUSPICIOUS)
    with walk.step("alerts finds it"):
        rule = await until(lambda: walk.world.finding(placed["id"]), "nobody found the order suspicious")
        check(rule in ("unusual_quantity", "high_value"), f"it was found for another reason: {rule}")
    with walk.step("staff have it cancelled"):
        await walk.world.client.ask("POST", f"/orders/{placed['id']}/cancel", token=token)


async def partner(walk: Walk) -> None:
    """A partner's program reads with a token of its own, and may not write."""
    client = walk.world.client
    with walk.step("get a token"):
        token = await walk.world.token("partner")
    with walk.step("read orders"):
        check("orders" in (await client.ask("GET", "/orders?limit=5", token=token)).json(), "no list of orders")
    with walk.step("be refused writing"):
        await client.ask("POST", "/orders", token=token, json=_lines({"id": 1}, 1), expect=(403,))


async def _shopping(walk: Walk) -> tuple[str, dict[str, Any]]:
    """Bob, logged in, and the product that there is most of."""
    with walk.step("log in"):
        token = await walk.world.token("bob")
    with walk.step("find a product"):
        products = (await walk.world.client.ask("GET", "/products?limit=100")).json()["products"]
        return token, max(products, key=lambda product: int(product["stock"]))


async def _place(walk: Walk, token: str, product: Mapping[str, Any], quantity: int) -> dict[str, Any]:
    with walk.step("order"):
        body = _lines(product, quantity)
        answer = await walk.world.client.ask("POST", "/orders", token=token, json=body, expect=(201,))
        placed: dict[str, Any] = answer.json()
        return placed


def _lines(product: Mapping[str, Any], quantity: int) -> dict[str, Any]:
    return {"items": [{"product_id": product["id"], "quantity": quantity}]}


ALL: Final[Mapping[str, Journey]] = {
    story.__name__: story
    for story in (
        browse,
        log_in,
        order,
        cancel,
        own_orders,
        profile_by_rest,
        profile_by_soap,
        graphql_page,
        password_reset,
        suspicious_order,
        partner,
    )
}
