"""Be the alerts service: `python -m sample_services.alerts --settings FILE`."""

from __future__ import annotations

import sqlite3
from importlib import resources

from sample_services.alerts.worker import GROUP, Worker, WorkerMetrics
from sample_services.kit.inbox import Inbox, undecoded
from sample_services.kit.service import Service, run
from sample_services.kit.settings import Settings


async def setup(service: Service) -> None:
    """Starts the worker; ready means that the stream can be reached."""
    metrics = WorkerMetrics(service.metrics.registry)

    async def work() -> None:
        async with undecoded(service.redis) as redis:
            inbox = Inbox(redis, GROUP, service.settings.instance)
            await Worker(inbox, service.db, service.telemetry, metrics, service.log).run()

    async def redis_answers() -> None:
        await service.redis.ping()

    service.ready_checks.append(redis_answers)
    service.background(work, "worker", alone=True)


def nothing_to_seed(_connection: sqlite3.Connection, _settings: Settings) -> None:
    """The tables begin empty."""


if __name__ == "__main__":
    schema = resources.files("sample_services.alerts").joinpath("schema.sql").read_text("utf-8")
    run("alerts", setup, schema, nothing_to_seed)
