"""The routes of orders: read what the client sent, ask the domain, write the answer. Nothing is decided here.

Except one thing: which HTTP status a refusal of the domain becomes. That is one table.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from sample_services.kit.auth import Claims
from sample_services.kit.body import json_body
from sample_services.kit.problems import Problem
from sample_services.kit.propagation import current_traceparent
from sample_services.kit.service import Service
from sample_services.orders import domain, ordering, planted, store
from sample_services.orders.bodies import ListQuery, OrderBody, OrdersQuery, TotalsQuery
from sample_services.orders.contract import contract
from sample_services.orders.domain import MAX_ID, READ_ALL_SCOPE, Caller, Product
from sample_services.orders.events import Stamp
from sample_services.orders.ordering import Placing
from sample_services.orders.paging import next_link, split_page

STATUS: Final[Mapping[type[domain.OrderError], int]] = {
    domain.NotFoundError: 404,
    domain.NotOwnerError: 403,
    domain.WrongStateError: 409,
    domain.OutOfStockError: 409,
    domain.FairShareError: 409,
    domain.UnknownProductError: 422,
    domain.MixedCurrenciesError: 422,
    domain.KeyReusedError: 422,
    domain.AlreadyPaidError: 409,
    domain.UnknownPaymentError: 404,
    domain.PaymentMismatchError: 422,
}

ModelT = TypeVar("ModelT", bound=BaseModel)


class Api:
    """Products and orders over HTTP; `changed` is called after every commit that left an event."""

    def __init__(self, service: Service, changed: Callable[[], None]) -> None:
        self._db = service.db
        self._auth = service.auth
        self._log = service.log
        self._weak = service.weak
        self._settings = service.settings
        self._changed = changed

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [
            *self._planted(),
            web.get("/products", self.list_products),
            web.get("/products/{id}", self.read_product),
            web.get("/orders", self.list_orders),
            web.post("/orders", self.place_order),
            web.get("/orders/{id}", self.read_order),
            web.post("/orders/{id}/cancel", self.cancel_order),
            web.get("/totals", self.totals),
            web.get("/openapi.json", self.openapi),
        ]

    def _note_customer(self, customer: str | None) -> None:
        """Whose orders are asked for, whoever asks and whether they may."""
        if customer and self._weak("plain-log"):  # LAB: log-injection
            planted.plain_line(f"INFO orders asked for, of {customer}")
        elif customer:
            self._log.info("orders asked for", extra={"customer": customer[:256]})

    def _planted(self) -> list[web.RouteDef]:
        """What only lessons have."""
        found = []
        if self._weak("serves-v1"):  # LAB: api9-inventory
            found.append(web.get("/v1/orders/{id}", lambda request: planted.order_of_anybody(request, self._db)))
        if self._weak("hook-test"):  # LAB: api7-ssrf
            found.append(web.post("/orders/hook-test", self._hook_test))
        return found

    async def _hook_test(self, request: web.Request) -> web.Response:
        await self._auth.require(request, "orders:write")
        directly = self._weak("fetches-directly")  # LAB: api7-ssrf
        return await planted.hook_test(request, self._settings, directly=directly)

    async def list_products(self, request: web.Request) -> web.Response:
        """GET /products."""
        if self._weak("no-bound") and "ids" in request.query:  # LAB: api4-resources
            return await planted.products_one_by_one(self._db, request.query["ids"])
        query = read_query(request, ListQuery)
        if query.ids:
            return _page("products", await self._db.read(store.products_by_id, query.ids))
        rows = await self._db.read(store.list_products, query.cursor or 0, query.limit + 1)
        page, cursor = split_page(rows, query.limit)
        if self._weak("renamed-field"):  # LAB: broken-contract
            return _renamed(page)
        return _page("products", page, cursor, next_link("/products", request.query, cursor))

    async def read_product(self, request: web.Request) -> web.Response:
        """GET /products/{id}."""
        with problems():
            product = await self._db.read(store.read_product, order_id_of(request))
        return web.json_response(asdict(product))

    async def list_orders(self, request: web.Request) -> web.Response:
        """GET /orders: one's own, unless a privileged caller names another customer."""
        caller = caller_of(await self._auth.require(request, "orders:read"))
        self._note_customer(request.query.get("customer"))
        query = read_query(request, OrdersQuery)
        if query.ids:
            found = await self._db.read(store.orders_by_id, query.ids)
            everybodys = self._weak("no-owner-check-in-lists")  # LAB: graphql-nested-bola
            mine = [order for order in found if everybodys or domain.may_read(order.customer, caller)]
            return _page("orders", mine)
        customer = query.customer or caller.subject
        with problems():
            domain.check_reader(customer, caller)
        whose = None if customer == "*" else customer
        rows = await self._db.read(store.list_orders, whose, query.cursor or MAX_ID, query.limit + 1)
        page, cursor = split_page(rows, query.limit)
        return _page("orders", page, cursor, next_link("/orders", request.query, cursor))

    async def read_order(self, request: web.Request) -> web.Response:
        """GET /orders/{id}."""
        caller = caller_of(await self._auth.require(request, "orders:read"))
        if self._weak("tells-all"):  # LAB: api8-misconfig
            return await planted.telling_all(request, self._db, caller)
        with problems():
            order = await self._db.read(store.read_order, order_id_of(request))
            if not self._weak("no-owner-check"):  # LAB: api1-bola
                domain.check_reader(order.customer, caller)
        return web.json_response(asdict(order))

    async def place_order(self, request: web.Request) -> web.Response:
        """POST /orders."""
        claims = await self._auth.require(request, "orders:write")
        body = await json_body(request, OrderBody)
        quantities = {item.product_id: item.quantity for item in body.items}
        fairly = not self._weak("no-fair-share")  # LAB: api6-flow
        wish = Placing(claims.subject, quantities, _idempotency_key(request), fairly)
        with problems():
            placed = await self._db.write(ordering.place, wish, _stamp())
        headers = {"Location": f"/orders/{placed.answer['id']}"}
        if placed.replayed:
            headers["Idempotent-Replayed"] = "true"
        else:
            self._tell("order created", placed.answer["id"])
        return web.json_response(placed.answer, status=201, headers=headers)

    async def cancel_order(self, request: web.Request) -> web.Response:
        """POST /orders/{id}/cancel."""
        caller = caller_of(await self._auth.require(request, "orders:write"))
        with problems():
            order = await self._db.write(ordering.cancel, order_id_of(request), caller, _stamp())
        self._tell("order cancelled", order.id)
        return web.json_response(asdict(order))

    async def totals(self, request: web.Request) -> web.Response:
        """GET /totals: what others count is checked against this."""
        await self._auth.require(request, READ_ALL_SCOPE)
        query = read_query(request, TotalsQuery)
        return web.json_response(await self._db.read(store.totals, query.from_, query.to, query.currency))

    async def openapi(self, _request: web.Request) -> web.Response:
        """GET /openapi.json."""
        return web.json_response(contract())

    def _tell(self, what: str, order_id: int) -> None:
        self._log.info(what, extra={"order_id": order_id})
        self._changed()


@contextmanager
def problems() -> Iterator[None]:
    """What the domain refuses becomes an answer that says why."""
    try:
        yield
    except domain.OrderError as error:
        raise Problem(STATUS[type(error)], error.reason, str(error), **error.facts) from error


def read_query(request: web.Request, model: type[ModelT]) -> ModelT:
    """The query parameters as `model`.

    Raises:
        Problem: 400 `invalid_query`. Repeated ones are refused too: which of two values counts is a matter of
            taste, and a gateway may have another taste (parameter pollution).
    """
    repeated = sorted({name for name in request.query if len(request.query.getall(name)) > 1})
    if repeated:
        raise Problem(400, "invalid_query", "some parameters are repeated", parameters=repeated)
    try:
        return model.model_validate(dict(request.query))
    except ValidationError as error:
        wrong = sorted({str(fault["loc"][0]) for fault in error.errors()})
        raise Problem(400, "invalid_query", "some parameters are wrong", parameters=wrong) from None


def order_id_of(request: web.Request) -> int:
    """The id in the path; what cannot be an id is the id of nothing.

    Raises:
        NotFoundError: it is not a decimal number from 1 to `MAX_ID`.
    """
    text = request.match_info["id"]
    if not (text.isascii() and text.isdecimal() and len(text) <= 16 and 0 < int(text) <= MAX_ID):
        raise domain.NotFoundError("There is nothing with this id.")
    return int(text)


def _idempotency_key(request: web.Request) -> str | None:
    """The header's value, with or without the quotes of a structured field string.

    Raises:
        Problem: 400 `invalid_idempotency_key`.
    """
    values = request.headers.getall("Idempotency-Key", [])
    if not values:
        return None
    key = values[0].strip().removeprefix('"').removesuffix('"')
    if len(values) > 1 or not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Problem(400, "invalid_idempotency_key", "send one key of 1 to 255 printable ASCII characters")
    return key


def caller_of(claims: Claims) -> Caller:
    """Who asks, as the domain knows them."""
    return Caller(claims.subject, claims.roles, claims.scopes)


def _stamp() -> Stamp:
    return Stamp(datetime.now(UTC), str(uuid.uuid4()), current_traceparent())


def _renamed(page: Iterable[Product]) -> web.Response:
    """For the lab: what a version answers that somebody tidied up, without telling anybody."""
    tidied = [{"amount" if key == "price" else key: value for key, value in asdict(one).items()} for one in page]
    return web.json_response({"products": tidied, "next_cursor": None})


def _page(name: str, page: Any, cursor: int | None = None, headers: Mapping[str, str] | None = None) -> web.Response:
    answer = {name: [asdict(one) for one in page], "next_cursor": cursor}
    return web.json_response(answer, headers=headers)
