"""`python -m sample_services.traffic --settings-fd N`: visit the shop until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
import time

import aiohttp

from sample_services.kit.lifecycle import stop_requested
from sample_services.kit.logs import configure_logging
from sample_services.kit.settings import Settings, read_settings_or_exit
from sample_services.traffic import journeys, party, plan
from sample_services.traffic.journeys import Scene
from sample_services.traffic.plan import Pace, Restraint
from sample_services.traffic.report import Report
from sample_services.traffic.tokens import Tokens
from sample_services.traffic.visitor import Visitor

RATE = 7.0
"""Requests per second, on average: enough to see, little enough to forget about."""
_SEED = 20_260_101


async def make_traffic(settings: Settings, log: logging.Logger) -> None:
    """Visit `settings.public_url` until SIGTERM, SIGINT or the end of the supervisor."""
    # Seeded on purpose: the same traffic every time is easier to compare. Nothing secret is drawn from it.
    dice = random.Random(_SEED)  # noqa: S311
    report, pace = Report(), Pace(RATE, dice)
    tokens = Tokens(settings.secrets.users, settings.secrets.clients)
    names = plan.journeys(journeys.possible(tokens, plan.WEIGHTS), dice)
    with stop_requested(settings.lifeline_fd) as stop:
        async with aiohttp.ClientSession(headers={"User-Agent": "gatehouse-traffic"}) as session:
            scene = Scene(Visitor(session, settings.public_url, pace, report), tokens, dice, Restraint(time.monotonic))
            await party.until(stop, scene, names, report, log)


def main() -> None:
    """Read the settings, log as JSON lines, make traffic."""
    settings = read_settings_or_exit(sys.argv[1:])
    log = configure_logging(settings.service, settings.instance)
    asyncio.run(make_traffic(settings, log))


if __name__ == "__main__":
    main()
