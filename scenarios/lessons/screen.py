"""One profile screen, fetched in four ways: by REST as one writes it first, by REST done well, by SOAP, by GraphQL.

Each way is a client as somebody would write it who wants this screen: the profile of alice, and her three latest
orders with what their products are called and cost today. What is compared is bytes, requests, and how often the
client can do nothing but wait.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from lxml import etree

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from gateway.cli.tokens import token_for
from scenarios.lab.soap import NAMESPACE, message
from scenarios.lessons.slow_link import slow_link

WHO: Final = "alice"
QUERY: Final = """{ me { profile { fullName city }
    orders(first: 3) { id status total items { quantity product { name price } } } } }"""

Screen = tuple[str, ...]
"""The lines of it."""


class Client:
    """Sends requests, and counts them and the waits: times when the only thing to do is to wait for answers."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self._open = 0
        self.requests = 0
        self.waits = 0

    async def ask(self, method: str, path: str, **options: Any) -> bytes:
        """The body of the answer.

        Raises:
            Failure: it is an error.
        """
        self.requests += 1
        self.waits += not self._open
        self._open += 1
        try:
            async with self._session.request(method, path, **options) as answer:
                if answer.status != 200:
                    raise Failure(f"{method} {path} answered {answer.status}.")
                return await answer.read()
        finally:
            self._open -= 1


Parts = tuple[Mapping[str, Any], list[dict[str, Any]]]
"""Profile, by REST's names, and orders."""


async def one_by_one(client: Client) -> Screen:
    """REST as one writes it first: a call when something is needed (the N+1 problem)."""
    profile = json.loads(await client.ask("GET", f"/profiles/{WHO}"))
    orders = await _orders(client)
    products = [json.loads(await client.ask("GET", f"/products/{one}")) for one in _product_ids(orders)]
    return _drawn(profile, orders, products)


async def in_parallel(client: Client) -> Screen:
    """REST done well: what does not need each other at the same time, and all products at once."""
    profile, orders = await asyncio.gather(client.ask("GET", f"/profiles/{WHO}"), _orders(client))
    return _drawn(json.loads(profile), orders, await _products(client, orders))


async def by_soap(client: Client) -> Screen:
    """The profile by SOAP; orders speak REST alone."""
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NAMESPACE}/ReadProfile"'}
    body = message("ReadProfile", {"username": WHO})
    asked = client.ask("POST", "/profiles/soap", data=body, headers=headers)
    answer, orders = await asyncio.gather(asked, _orders(client))
    document = etree.fromstring(answer)
    profile = {"full_name": document.findtext(".//{*}fullName"), "city": document.findtext(".//{*}city")}
    return _drawn(profile, orders, await _products(client, orders))


async def by_graphql(client: Client) -> Screen:
    """One question that names what is on the screen."""
    me = json.loads(await client.ask("POST", "/graphql", json={"query": QUERY}))["data"]["me"]
    lines = [
        (
            order["id"],
            order["status"],
            order["total"],
            item["quantity"],
            item["product"]["name"],
            item["product"]["price"],
        )
        for order in me["orders"]
        for item in order["items"]
    ]
    return _screen(me["profile"]["fullName"], me["profile"]["city"], lines)


async def _orders(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await client.ask("GET", "/orders?limit=3"))["orders"]
    return found


async def _products(client: Client, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = ",".join(map(str, _product_ids(orders)))
    found: list[dict[str, Any]] = json.loads(await client.ask("GET", f"/products?ids={ids}"))["products"]
    return found


def _product_ids(orders: list[dict[str, Any]]) -> list[int]:
    return sorted({item["product_id"] for order in orders for item in order["items"]})


def _drawn(profile: Mapping[str, Any], orders: list[dict[str, Any]], products: list[dict[str, Any]]) -> Screen:
    by_id = {product["id"]: product for product in products}
    lines = [
        (order["id"], order["status"], order["total"], item["quantity"], product["name"], product["price"])
        for order in orders
        for item in order["items"]
        for product in [by_id[item["product_id"]]]
    ]
    return _screen(profile["full_name"], profile["city"], lines)


def _screen(name: str, city: str, lines: Iterable[tuple[Any, ...]]) -> Screen:
    return (f"{name}, {city}", *(" ".join(map(str, line)) for line in lines))


WAYS: Final[Mapping[str, Callable[[Client], Awaitable[Screen]]]] = MappingProxyType({
    "REST, one by one": one_by_one,
    "REST, in parallel": in_parallel,
    "SOAP and REST": by_soap,
    "GraphQL": by_graphql,
})  # fmt: skip


@dataclass(frozen=True)
class Fetched:
    """How one way went."""

    style: str
    screen: Screen
    requests: int
    waits: int
    sent: int
    """Bytes, heads included."""
    received: int
    seconds: float

    def view(self) -> dict[str, Any]:
        """For programs."""
        return vars(self)


def fetch_all(instance: Instance, round_trip: float, rate: float) -> list[Fetched]:
    """Each way once, each over a connection of its own; seconds, and bytes a second.

    Raises:
        Failure: an answer is an error.
    """
    token = token_for(instance, WHO)
    shop = urlsplit(instance.public_url)

    async def fetch(style: str) -> Fetched:
        async with (
            slow_link(shop.hostname or "", shop.port or 80, round_trip, rate) as link,
            aiohttp.ClientSession(link.url, headers={"Authorization": f"Bearer {token}"}) as session,
        ):
            client = Client(session)
            began = time.perf_counter()
            screen = await WAYS[style](client)
            took = time.perf_counter() - began
            return Fetched(style, screen, client.requests, client.waits, link.out.passed, link.back.passed, took)

    async def one_after_the_other() -> list[Fetched]:
        return [await fetch(style) for style in WAYS]

    return asyncio.run(one_after_the_other())
