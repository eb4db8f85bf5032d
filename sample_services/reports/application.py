"""Puts the reports service together."""

from __future__ import annotations

import asyncio

from sample_services.kit.component import Component, schema_of
from sample_services.kit.consumer import ConsumerMetrics
from sample_services.kit.inbox import Inbox, undecoded
from sample_services.kit.problems import Problem
from sample_services.kit.service import Service
from sample_services.reports import sales
from sample_services.reports.api import Api
from sample_services.reports.queries import FAULTY, VERSIONS, Reports
from sample_services.reports.worker import GROUP, Worker

TRY_AGAIN_S = 1.0


async def setup(service: Service) -> None:
    """Adds the routes, follows the events, and reads what there was before the first of them."""
    version = service.settings.option("version", VERSIONS, default="v1")
    if version in FAULTY:
        service.log.warning("this version is wrong on purpose", extra={"version": version})
    api = Api(service, Reports(version))
    service.app.add_routes(api.routes())
    metrics = ConsumerMetrics("reports", service.metrics.registry)

    async def follow() -> None:
        async with undecoded(service.redis) as redis:
            inbox = Inbox(redis, GROUP, service.settings.instance)
            await Worker(inbox, service.db, service.telemetry, metrics, service.log).run()

    async def fill() -> None:
        """Orders are older than the events that the stream still has; orders may start after us."""
        while await service.db.read(sales.rebuilt) is None:
            try:
                await api.read_all()
            except Problem as problem:
                service.log.info("orders cannot be read yet", extra={"reason": problem.reason})
                await asyncio.sleep(TRY_AGAIN_S)

    service.background(follow, "worker", alone=True)
    service.background(fill, "first reading", alone=True)


COMPONENT = Component("reports", setup, schema_of("sample_services.reports"))
