"""The third party's API. Merchants have a key of its making; customers have the unguessable address of a payment."""

from __future__ import annotations

import hmac
import re
import time
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from sample_services.kit.body import json_body
from sample_services.kit.contract import read_contract
from sample_services.kit.problems import Problem
from sample_services.kit.service import Service
from sample_services.payments import store
from sample_services.payments.misbehaviour import MODES, NONE, misbehave
from sample_services.payments.page import HEADERS, page
from sample_services.payments.sender import Sender
from sample_services.payments.store import Payment

MAX_AMOUNT: Final = 100_000_000
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_OUTCOMES: Final = ("paid", "failed")


class NewPayment(BaseModel):
    """POST /payments."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reference: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    amount: int = Field(ge=1, le=MAX_AMOUNT)
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]


class Api:
    """All routes."""

    def __init__(self, service: Service, key: str, mode: str, sender: Sender) -> None:
        self._db, self._log = service.db, service.log
        self._expected = f"Bearer {key}".encode()
        self._mode = mode
        self._sender = sender

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [
            web.post("/payments", self.create),
            web.get("/payments/{id}", self.read),
            web.get("/deliveries", self.deliveries),
            web.get("/pay/{id}", self.show),
            web.post("/pay/{id}", self.decide),
            web.get("/about", self.about),
            web.get("/openapi.json", self.openapi),
        ]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """POST /payments."""
        self._require(request)
        body = await json_body(request, NewPayment)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not _KEY.fullmatch(key):
            raise Problem(400, "invalid_idempotency_key", "send 1 to 255 visible ASCII characters")
        made = await self._db.write(store.create, body.reference, body.amount, body.currency, key, time.time())
        if (made.reference, made.amount, made.currency) != (body.reference, body.amount, body.currency):
            raise Problem(422, "idempotency_key_reused", "this Idempotency-Key was used for another payment")
        if self._mode != NONE:
            self._log.warning("misbehaving, as told", extra={"mode": self._mode})
            return await misbehave(self._mode, request, _document(made, request))
        return web.json_response(_document(made, request), status=201)

    async def read(self, request: web.Request) -> web.Response:
        """GET /payments/{id}."""
        self._require(request)
        return web.json_response(_document(await self._payment(request), request))

    async def deliveries(self, request: web.Request) -> web.Response:
        """GET /deliveries: what became of the latest webhooks."""
        self._require(request)
        return web.json_response({"deliveries": await self._db.read(store.deliveries, 50)})

    async def show(self, request: web.Request) -> web.Response:
        """GET /pay/{id}: the page for the customer."""
        return web.Response(text=page(await self._payment(request)), content_type="text/html", headers=HEADERS)

    async def decide(self, request: web.Request) -> web.Response:
        """POST /pay/{id}: the customer has pressed a button."""
        form = await request.post()
        outcome = form.get("outcome")
        if outcome not in _OUTCOMES:
            raise Problem(422, "invalid_body", "outcome is paid or failed")
        payment = await self._db.write(store.decide, request.match_info["id"], str(outcome), time.time())
        if payment is None:
            raise Problem(404, "not_found", "there is no such payment")
        self._sender.wake()
        return web.Response(status=303, headers={"Location": f"/pay/{payment.id}"})

    async def about(self, _request: web.Request) -> web.Response:
        """GET /about: who this is, and whether it misbehaves."""
        return web.json_response({"name": "payments.example", "misbehave": self._mode, "meaning": MODES[self._mode]})

    async def openapi(self, _request: web.Request) -> web.Response:
        """GET /openapi.json."""
        return web.json_response(read_contract("payments"))

    def _require(self, request: web.Request) -> None:
        """A merchant's key. It is this company's own: no token of the shop opens anything here."""
        given = request.headers.getall("Authorization", [])
        if len(given) != 1 or not hmac.compare_digest(given[0].encode("utf-8", "surrogateescape"), self._expected):
            raise Problem(401, "invalid_api_key", "send your API key", headers={"WWW-Authenticate": "Bearer"})

    async def _payment(self, request: web.Request) -> Payment:
        found = await self._db.read(store.read, request.match_info["id"])
        if found is None:
            raise Problem(404, "not_found", "there is no such payment")
        return found


def _document(payment: Payment, request: web.Request) -> dict[str, Any]:
    """With the address of its page: where we listen, not what a Host header says."""
    assert request.transport is not None
    host, port = request.transport.get_extra_info("sockname")[:2]
    return {**vars(payment), "pay_url": f"http://{host}:{port}/pay/{payment.id}"}
