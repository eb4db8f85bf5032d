"""A few visitors at once, one journey after another each, until they are told to stop.

The problem: one visitor alone waits for every slow answer, and then the rate sinks just when the system is worth
watching. The rule: several visitors share one pace; who finds the gateway away backs off alone, longer each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator

from sample_services.traffic import journeys, plan
from sample_services.traffic.journeys import Scene
from sample_services.traffic.report import Report
from sample_services.traffic.visitor import LimitedError, UnexpectedError, UnreachableError

VISITORS = 4
REPORT_EVERY = 10.0
_LONGEST_LIMIT = 10.0


async def until(stop: asyncio.Event, scene: Scene, names: Iterator[str], report: Report, log: logging.Logger) -> None:
    """Let the visitors visit and tell the counts every 10 s, until `stop` is set; then tell the last ones."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(visit(scene, names, report)) for _ in range(VISITORS)]
        tasks.append(group.create_task(tell(report, log, REPORT_EVERY)))
        await stop.wait()
        for task in tasks:
            task.cancel()
    log.info("traffic", extra=report.take())


async def visit(
    scene: Scene, names: Iterator[str], report: Report, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Make journeys for ever; `pause` waits so many seconds."""
    failures = 0
    while True:
        name = next(names)
        try:
            await journeys.ALL[name](scene)
            report.journey(name, "as_expected")
            failures = 0
        except LimitedError as limited:
            report.journey(name, "limited")
            await pause(min(limited.seconds, _LONGEST_LIMIT))
        except UnreachableError:
            report.journey(name, "unreachable")
            failures += 1
            await pause(plan.backoff(failures))
        except UnexpectedError as unexpected:
            report.journey(name, "unexpected", example=str(unexpected))
            if unexpected.status == 401:  # another installation's keys, say: log in again
                scene.tokens.forget()


async def tell(report: Report, log: logging.Logger, every: float) -> None:
    """One line with the counts each `every` seconds."""
    while True:
        await asyncio.sleep(every)
        log.info("traffic", extra=report.take())
