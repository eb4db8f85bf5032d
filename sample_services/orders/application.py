"""Puts the orders service together."""

from __future__ import annotations

from datetime import UTC, datetime

from sample_services.kit.component import Component, schema_of
from sample_services.kit.service import Service
from sample_services.orders.api import Api
from sample_services.orders.api_payments import PaymentApi
from sample_services.orders.seed import seed


async def setup(service: Service) -> None:
    """Adds the routes and, if there is a Redis, the relay. Orders are taken without one too."""
    service.app.add_routes(PaymentApi(service).routes())
    if service.settings.redis is None:
        service.log.warning("no Redis: events stay in the outbox")
        service.app.add_routes(Api(service, lambda: None).routes())
        return
    from sample_services.orders.relay import Relay, RelayMetrics

    metrics = RelayMetrics(service.metrics.registry, lambda: datetime.now(UTC))
    relay = Relay(service.db, service.redis, service.telemetry, metrics, service.log)
    service.app.add_routes(Api(service, relay.wake).routes())
    service.background(relay.run, "outbox relay", alone=True)


COMPONENT = Component("orders", setup, schema_of("sample_services.orders"), seed)
