"""`python -m sample_services.partner --settings-fd N`: keep a copy of the catalogue until SIGTERM."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress

import aiohttp

from sample_services.kit.lifecycle import stop_requested
from sample_services.kit.logs import configure_logging
from sample_services.kit.settings import Settings, read_settings_or_exit
from sample_services.partner.catalogue import Catalogue, Reply

MAX_ANSWER = 1_048_576
TIMEOUT = aiohttp.ClientTimeout(total=10)


async def keep(settings: Settings, log: logging.Logger) -> None:
    """Ask, wait, ask again."""
    headers = {"X-API-Key": settings.secrets.api_keys["partner"], "User-Agent": "partner.example"}
    with stop_requested(settings.lifeline_fd) as stop:
        async with aiohttp.ClientSession(headers=headers) as session:

            async def get(path: str) -> Reply:
                url = settings.public_url.rstrip("/") + path
                try:
                    async with session.get(url, timeout=TIMEOUT, allow_redirects=False) as answer:
                        return Reply(answer.status, answer.headers, await answer.content.read(MAX_ANSWER))
                except (aiohttp.ClientError, TimeoutError):
                    return Reply(0)

            catalogue = Catalogue(get, log)
            while not stop.is_set():
                wait = await catalogue.ask()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), wait)


def main() -> None:
    """Read the settings, log as JSON lines, keep the copy."""
    settings = read_settings_or_exit(sys.argv[1:])
    asyncio.run(keep(settings, configure_logging(settings.service, settings.instance)))


if __name__ == "__main__":
    main()
