"""What the services do: their processes, from the supervisor, and their numbers, from their own /metrics.

The problem: a service is not trusted; it may answer slowly, endlessly or with nonsense. The rule: each look
has a deadline and a size, redirects are not followed, and what cannot be read is shown as unknown, not
guessed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.control.rates import HISTOGRAM, RateBook, Tally, Totals
from gateway.control.settings import Service
from gateway.control.supervisor_client import SupervisorClient, SupervisorError

log = logging.getLogger(__name__)

SCRAPE_SECONDS = 2.0
SCRAPE_DEADLINE = 1.5
MAX_SCRAPE = 2 * 1024 * 1024


class Services:
    """The latest view of processes and services."""

    def __init__(self, services: tuple[Service, ...], supervisor: SupervisorClient) -> None:
        self.known = services
        self.rates = RateBook()
        self.processes: list[dict[str, Any]] = []
        self.strangers = 0
        """How often somebody asked the supervisor without the secret of this start."""
        self.supervisor_error: str | None = None
        self._supervisor = supervisor
        self._scraped: dict[str, bool] = {}

    async def run(self) -> None:
        """Look every two seconds, for ever."""
        timeout = aiohttp.ClientTimeout(total=SCRAPE_DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                await asyncio.gather(self.look(), *(self.scrape(session, one) for one in self.known))
                await asyncio.sleep(SCRAPE_SECONDS)

    async def look(self) -> None:
        """Ask the supervisor which processes there are."""
        try:
            answer = await self._supervisor.ask(within=SCRAPE_DEADLINE, do="ps")
        except SupervisorError as error:
            self.processes, self.supervisor_error = [], str(error)
        else:
            processes = answer.get("processes", [])
            self.processes = [one for one in processes if isinstance(one, dict)][:200]
            self.strangers = int(answer.get("strangers", 0))
            self.supervisor_error = None

    async def scrape(self, session: aiohttp.ClientSession, service: Service) -> None:
        """Read one service's metrics; a failure is remembered, its numbers begin anew afterwards."""
        if service.url is None:
            return
        try:
            self.rates.report(service.name, {service.name: await scrape(session, service.url)})
            self._scraped[service.name] = True
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if self._scraped.get(service.name, True):
                log.info("service not scraped", extra={"service": service.name, "error": str(error)[:200]})
            self._scraped[service.name] = False

    def view(self) -> list[dict[str, Any]]:
        """One entry per service: the process, what it is for, and its numbers."""
        by_name = {process.get("name"): process for process in self.processes}
        return [
            {
                **by_name.get(service.name, {"name": service.name, "state": "unknown"}),
                "url": service.url,
                "about": service.about,
                "public": service.public,
                "scraped": self._scraped.get(service.name, False),
                **self.rates.view(service.name),
            }
            for service in self.known
        ]


async def scrape(session: aiohttp.ClientSession, url: str) -> Totals:
    """A service's request totals.

    Raises:
        aiohttp.ClientError, TimeoutError: it does not answer well in time.
        ValueError: too much, or not in Prometheus' text format.
    """
    async with session.get(f"{url}/metrics", allow_redirects=False) as response:
        response.raise_for_status()
        body = await response.content.read(MAX_SCRAPE + 1)
        while len(body) <= MAX_SCRAPE and (more := await response.content.read(MAX_SCRAPE)):
            body += more
    if len(body) > MAX_SCRAPE:
        raise ValueError(f"more than {MAX_SCRAPE} bytes of metrics")
    return totals(body.decode("utf-8"))


def totals(text: str) -> Totals:
    """Sum up the request duration histogram of a Prometheus text.

    Raises:
        ValueError: the text is not in that format.
    """
    tally = Tally()
    for family in text_string_to_metric_families(text):
        if family.name == HISTOGRAM:
            for sample in family.samples:
                tally.add("", sample.name, sample.labels, sample.value)
    return tally.totals().get("", Totals())
