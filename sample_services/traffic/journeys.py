"""The stories that visitors play, each a few requests; an answer that does not fit ends the story.

The problem: traffic made of one request repeated exercises one route. The rule: every story stands for a kind of
caller the shop really has, uses the API that caller would use (REST, SOAP, GraphQL), and knows which status is
right, also where the right answer is a refusal.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from lxml import etree

from sample_services.traffic.plan import Restraint
from sample_services.traffic.tokens import Tokens
from sample_services.traffic.visitor import Visitor

_CUSTOMERS = ("alice", "bob")
_FOREIGN = {"alice": 1002, "bob": 1001}
"""The seeded orders 1001 and 1002 are alice's and bob's: each asks for the other's."""
_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_PROFILES = "https://profiles.shop.example/v1"
HOME_QUERY = "query Home { me { username profile { fullName } orders(first: 3) { id status total } } }"


@dataclass(frozen=True)
class Scene:
    """What a journey has: hands, tokens, dice and restraint."""

    visitor: Visitor
    tokens: Tokens
    dice: random.Random
    restraint: Restraint

    async def customer(self) -> tuple[str, str]:
        """One of the customers and a token of theirs."""
        name = self.dice.choice(_CUSTOMERS)
        return name, await self.tokens.of(self.visitor, name)


Journey = Callable[[Scene], Awaitable[None]]


async def browse(scene: Scene) -> None:
    """Anybody looks at the catalogue and at one product."""
    await scene.visitor.call("GET", f"/products/{await _some_product(scene)}")


async def order(scene: Scene) -> None:
    """A customer picks a product and buys it, unless they did so a moment ago; seldom they think better of it."""
    name, token = await scene.customer()
    product = await _some_product(scene)
    if not scene.restraint.may("order", name):
        await scene.visitor.call("GET", f"/products/{product}")
        return
    body = {"items": [{"product_id": product, "quantity": scene.dice.randint(1, 2)}]}
    placed = await scene.visitor.call_json("POST", "/orders", token=token, json=body, expect=(201, 409))
    if "id" in placed and scene.restraint.may("cancel", name):  # no id in 409: sold out, which happens in real shops
        await scene.visitor.call("POST", f"/orders/{placed['id']}/cancel", token=token)


async def own_orders(scene: Scene) -> None:
    """A customer looks at their latest orders."""
    _, token = await scene.customer()
    await scene.visitor.call("GET", "/orders?limit=5", token=token)


async def profile_by_soap(scene: Scene) -> None:
    """Support's old desktop program reads a profile."""
    token = await scene.tokens.of(scene.visitor, "carol")
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{_PROFILES}/ReadProfile"'}
    body = read_profile_message(scene.dice.choice(_CUSTOMERS))
    await scene.visitor.call("POST", "/profiles/soap", token=token, data=body, headers=headers)


async def profile_by_graphql(scene: Scene) -> None:
    """A customer opens the app's home screen."""
    _, token = await scene.customer()
    await scene.visitor.call("POST", "/graphql", token=token, json={"query": HOME_QUERY})


async def partner_reads_orders(scene: Scene) -> None:
    """A partner's program fetches the orders it may see."""
    token = await scene.tokens.of(scene.visitor, "partner")
    await scene.visitor.call("GET", "/orders?limit=5", token=token)


async def without_token(scene: Scene) -> None:
    """Somebody forgot the token: refused."""
    await scene.visitor.call("GET", "/orders", expect=(401,))


async def foreign_order(scene: Scene) -> None:
    """A customer tries another's order number: refused."""
    name, token = await scene.customer()
    await scene.visitor.call("GET", f"/orders/{_FOREIGN[name]}", token=token, expect=(403, 404))


async def wrong_password(scene: Scene) -> None:
    """A typing error at login: refused. Carol's, so that a slowed-down login does not hold up the customers."""
    body = {"username": "carol", "password": "not-my-password"}
    await scene.visitor.call("POST", "/auth/login", json=body, expect=(401,))


ALL: Mapping[str, Journey] = {
    journey.__name__: journey
    for journey in (
        browse,
        order,
        own_orders,
        profile_by_soap,
        profile_by_graphql,
        partner_reads_orders,
        without_token,
        foreign_order,
        wrong_password,
    )
}
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "order": _CUSTOMERS,
    "own_orders": _CUSTOMERS,
    "profile_by_graphql": _CUSTOMERS,
    "foreign_order": _CUSTOMERS,
    "profile_by_soap": ("carol",),
    "partner_reads_orders": ("partner",),
}


def possible(tokens: Tokens, weights: Mapping[str, float]) -> dict[str, float]:
    """The weights of those journeys whose people have a password or secret here."""
    return {name: weight for name, weight in weights.items() if all(map(tokens.knows, _NEEDS.get(name, ())))}


def read_profile_message(username: str) -> bytes:
    """A SOAP request, built as a tree: text put into XML by string formatting is an injection waiting to happen."""
    envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soap": _SOAP})
    body = etree.SubElement(envelope, f"{{{_SOAP}}}Body")
    read = etree.SubElement(body, f"{{{_PROFILES}}}ReadProfile")
    etree.SubElement(read, f"{{{_PROFILES}}}username").text = username
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


async def _some_product(scene: Scene) -> int:
    page = await scene.visitor.call_json("GET", "/products?limit=20")
    return int(scene.dice.choice(page["products"])["id"])
