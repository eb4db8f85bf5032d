"""The other services, as the storefront sees them: their HTTP APIs, called in the caller's name.

The caller's own token is passed on, so orders and profiles decide by themselves what this caller may see. The
storefront has no rights of its own that an attacker could borrow (the "confused deputy").

An answer is read into a small type of ours, field by field. A broken one becomes 502 `peer_error` here, at
the border, instead of a KeyError somewhere in a resolver (OWASP API10:2023, unsafe consumption of APIs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError

from sample_services.kit.client import Answer, HttpClient, PeerError
from sample_services.kit.problems import Problem
from sample_services.storefront.lenient import lenient

Part = TypeVar("Part", bound=BaseModel)
Id = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""Orders counts its ids as numbers; GraphQL's `ID` is a text."""
Filled = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
"""Profiles says 'not known' by an empty text; GraphQL has null for that."""
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,14}")


class _Part(BaseModel):
    """Fields that a newer version of the other service adds are none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Product(_Part):
    """What the orders service sells; `price` in minor units."""

    id: Id
    name: str
    description: str
    price: int
    currency: str
    stock: int


class Line(_Part):
    """One line of an order."""

    product_id: Id
    quantity: int
    unit_price: int


class Order(_Part):
    """What somebody ordered; `total` in minor units."""

    id: Id
    status: str
    created: str
    total: int
    currency: str
    items: list[Line]


class Profile(_Part):
    """Who the caller is, for people."""

    username: str
    full_name: Filled
    email: Filled
    phone: Filled
    street: Filled
    city: Filled
    postcode: Filled
    country: Filled
    loyalty_points: int


class _Products(_Part):
    products: list[Product]
    next_cursor: int | None = None


class _Orders(_Part):
    orders: list[Order]


class _Profiles(_Part):
    profiles: list[Profile]


class _Match(_Part):
    product_id: Id


class _Also(_Part):
    product_id: Id
    also: list[_Match]


class _Recommendations(_Part):
    recommendations: list[_Also]


class _Refusal(_Part):
    """RFC 9457, as far as it is passed on."""

    reason: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
    detail: Annotated[str, StringConstraints(max_length=500)] = ""


class OrdersApi:
    """The orders service, asked in the name of the token's owner, or of nobody."""

    MAX_IDS: Final = 100
    """Ids in one call, as its OpenAPI document says."""

    def __init__(self, http: HttpClient, token: str | None) -> None:
        self._peer = _Peer(http, "orders", token)

    async def products(self, ids: Iterable[str]) -> dict[str, Product]:
        """Those of the products that exist, by id, in one call."""
        known = _numbers(ids)
        if not known:
            return {}
        found = await self._peer.get(_Products, "/products", ids=",".join(known))
        return {product.id: product for product in found.products}

    async def product_page(self, first: int, after: str | None) -> tuple[list[Product], bool]:
        """The next products behind the one with the id `after`, and whether there are more.

        Raises:
            Problem: `invalid_cursor`, or what the call itself raises.
        """
        query = {"limit": str(first)}
        if after is not None:
            if not _numbers([after]):
                raise Problem(400, "invalid_cursor", "Pass an endCursor as it was given.")
            query["cursor"] = after
        page = await self._peer.get(_Products, "/products", **query)
        return page.products, page.next_cursor is not None

    async def latest(self, first: int) -> list[Order]:
        """The caller's latest orders."""
        return (await self._peer.get(_Orders, "/orders", limit=str(first))).orders

    async def orders(self, ids: Iterable[str]) -> dict[str, Order]:
        """Those of the orders that exist and that the caller may read, by id, in one call."""
        known = _numbers(ids)
        if not known:
            return {}
        found = await self._peer.get(_Orders, "/orders", ids=",".join(known))
        return {order.id: order for order in found.orders}

    async def place(self, items: Iterable[tuple[str, int]], key: str | None) -> Order:
        """Places an order of products and quantities; with a `key`, at most once (Idempotency-Key)."""
        lines = [
            {"product_id": int(_number(product, "product_not_found")), "quantity": quantity}
            for product, quantity in items
        ]
        headers = {"Idempotency-Key": key} if key else {}
        return await self._peer.post(Order, "/orders", {"items": lines}, headers)

    async def cancel(self, order_id: str) -> Order:
        """Cancels an order that is still `placed`."""
        return await self._peer.post(Order, f"/orders/{_number(order_id, 'order_not_found')}/cancel")


class ProfilesApi:
    """The REST face of the profiles service, asked in the name of the token's owner."""

    def __init__(self, http: HttpClient, token: str | None) -> None:
        self._peer = _Peer(http, "profiles", token)

    async def profiles(self, usernames: Iterable[str]) -> dict[str, Profile]:
        """Those of the profiles that exist and that the caller may read, by username, in one call."""
        found = await self._peer.get(_Profiles, "/profiles", usernames=",".join(usernames))
        return {profile.username: profile for profile in found.profiles}


class RecommendationsApi:
    """What goes with what; asked in nobody's name, since it says nothing about anybody."""

    MAX_IDS: Final = 50
    """Products in one question, as its OpenAPI document says."""

    def __init__(self, http: HttpClient) -> None:
        self._peer = _Peer(http, "recommendations", None)

    async def also(self, ids: Iterable[str], first: int) -> dict[str, list[str]]:
        """Ids of what goes best with each of the products, in one call."""
        query = {"products": ",".join(_numbers(ids)), "limit": str(first)}
        found = await self._peer.get(_Recommendations, "/recommendations", **query)
        return {one.product_id: [match.product_id for match in one.also[:first]] for one in found.recommendations}


class _Peer:
    """One service, one caller: sends the token along and reads answers into models."""

    def __init__(self, http: HttpClient, name: str, token: str | None) -> None:
        self._http = http
        self._name = name
        self._token = token

    async def get(self, model: type[Part], path: str, **query: str) -> Part:
        """GET `path` and read the answer as a `model`."""
        target = f"{path}?{urlencode(query, safe=',')}"
        return self._read(model, await self._http.request(self._name, "GET", target, token=self._token))

    async def post(
        self, model: type[Part], path: str, json: Any = None, headers: Mapping[str, str] | None = None
    ) -> Part:
        """POST `json` to `path` and read the answer as a `model`."""
        answer = await self._http.request(self._name, "POST", path, token=self._token, json=json, headers=headers)
        return self._read(model, answer)

    def _read(self, model: type[Part], answer: Answer) -> Part:
        if 400 <= answer.status < 500:
            raise _refusal(answer)
        try:
            if self._http.weak("lenient-reading"):  # LAB: broken-contract
                return lenient(model, answer.expect(200, 201).json())
            return model.model_validate_json(answer.expect(200, 201).body)
        except ValidationError:
            raise PeerError(self._name, "answered against its contract") from None


def _refusal(answer: Answer) -> Problem:
    """The other service's own words about what the caller may not do, if it speaks problem+json."""
    try:
        said = _Refusal.model_validate_json(answer.body)
    except ValidationError:
        return PeerError(answer.peer, f"answered {answer.status}")
    return Problem(answer.status, said.reason, said.detail)


def _numbers(ids: Iterable[str]) -> list[str]:
    """Those ids that can exist at all: orders counts from 1. Nothing else may get into an address."""
    return [text for text in ids if _NUMBER.fullmatch(text)]


def _number(text: str, reason: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise Problem(404, reason, "There is nothing with this id.")
    return text
