"""The routes about money: a customer begins to pay, the provider's webhook says how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from prometheus_client import Counter
from pydantic import ValidationError

from sample_services.kit.body import read_bounded
from sample_services.kit.problems import Problem
from sample_services.kit.service import Service
from sample_services.orders import paying
from sample_services.orders.api import caller_of, order_id_of, problems
from sample_services.orders.paying import Notice, Outcome
from sample_services.orders.provider import PEER, Hook, Provider
from sample_services.orders.webhook import verify

MAX_HOOK: Final = 16_384
OUTCOMES: Final[dict[str, Outcome]] = {"payment.paid": "paid", "payment.failed": "failed"}


class PaymentApi:
    """Two routes. `clock` is seconds since 1970."""

    def __init__(self, service: Service, clock: Callable[[], float] = time.time) -> None:
        settings = service.settings
        self._db, self._auth, self._log = service.db, service.auth, logging.getLogger("orders")
        self._clock = clock
        key = settings.secrets.shared.get("payments-key")
        known = key is not None and PEER in settings.peers
        trusting = service.weak("trusts-the-provider")  # LAB: api10-unsafe-consumption
        pages = settings.third_parties.get(PEER) or settings.peers.get(PEER, "")
        self._provider = Provider(service.http, str(key), pages, trusting=trusting) if known else None
        self._secrets = [settings.secrets.webhooks[PEER]] if PEER in settings.secrets.webhooks else []
        self._hooks = Counter(
            "orders_payment_webhooks", "Webhooks of the provider.", ("outcome",), registry=service.metrics.registry
        )

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [web.post("/orders/{id}/pay", self.pay), web.post("/hooks/payments", self.hook)]

    async def pay(self, request: web.Request) -> web.Response:
        """POST /orders/{id}/pay: where to pay; asked twice, the same place."""
        caller = caller_of(await self._auth.require(request, "orders:write"))
        if self._provider is None:
            raise Problem(503, "payments_not_configured", "this shop has no provider of payments")
        with problems():
            wanted = await self._db.read(paying.wanted, order_id_of(request), caller)
        payment, status = wanted.open, 200
        if payment is None:
            made, status = await self._provider.create(wanted), 201
            payment = await self._db.write(paying.asked, wanted.order.id, made, self._now())
            self._log.info("payment begun", extra={"order_id": wanted.order.id})
        answer = {"order_id": wanted.order.id, "status": payment.status, "pay_url": payment.pay_url}
        return web.json_response(answer, status=status)

    async def hook(self, request: web.Request) -> web.Response:
        """POST /hooks/payments: 204 acknowledges; anything else makes the provider try again."""
        body = await read_bounded(request)
        try:
            notice = self._notice(request, body)
            with problems():
                fresh = await self._db.write(paying.heard, notice, self._now())
        except Problem as problem:
            self._hooks.labels(problem.reason).inc()
            self._log.warning("webhook refused", extra={"why": problem.reason})
            raise
        self._hooks.labels(notice.status if fresh else "repeated").inc()
        if fresh:
            self._log.info("payment decided", extra={"reference": notice.reference, "payment": notice.status})
        return web.Response(status=204)

    def _notice(self, request: web.Request, body: bytes) -> Notice:
        """What the webhook says, if it is the provider's."""
        if len(body) > MAX_HOOK:
            raise Problem(413, "too_large", f"at most {MAX_HOOK} bytes")
        if not self._secrets:
            raise Problem(503, "payments_not_configured", "this shop has no provider of payments")
        webhook_id = verify(request.headers, body, self._secrets, self._clock)
        try:
            hook = Hook.model_validate_json(body)
        except ValidationError:
            raise Problem(422, "invalid_body", "signed, but not of the form that was agreed") from None
        data = hook.data
        return Notice(webhook_id, data.id, data.reference, data.amount, data.currency, OUTCOMES[hook.type])

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)
