"""What the services do: their processes, from the supervisor, and their numbers, from their own /metrics.

The problem: a service is not trusted; it may answer slowly, endlessly or with nonsense. The rule: each look
has a deadline and a size, redirects are not followed, and what cannot be read is shown as unknown, not
guessed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from gateway.control.cpu import CpuMeter
from gateway.control.edges import ServiceTally
from gateway.control.placement import Placement
from gateway.control.rates import RateBook
from gateway.control.settings import Service
from gateway.control.supervisor_client import SupervisorClient, SupervisorError

log = logging.getLogger(__name__)

SCRAPE_SECONDS = 2.0
SCRAPE_DEADLINE = 1.5
MAX_SCRAPE = 2 * 1024 * 1024


class Services:
    """The latest view of processes and services."""

    def __init__(
        self,
        services: tuple[Service, ...],
        supervisor: SupervisorClient,
        placement: Callable[[], Placement] = Placement,
        edges: RateBook | None = None,
    ) -> None:
        """`placement` knows the copies of each service; one that it does not name is at its own address alone.

        `edges` is told whom and what they call.
        """
        self.known = services
        self._placement = placement
        self.rates = RateBook()
        self.edges = edges or RateBook()
        self.processes: list[dict[str, Any]] = []
        self.strangers = 0
        """How often somebody asked the supervisor without the secret of this start."""
        self.supervisor_error: str | None = None
        self._supervisor = supervisor
        self._scraped: dict[str, bool] = {}
        self._cpu = CpuMeter()

    async def run(self) -> None:
        """Look every two seconds, for ever."""
        timeout = aiohttp.ClientTimeout(total=SCRAPE_DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                await asyncio.gather(self.look(), self._scrape_all(session))
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
            self._cpu.measure(self.processes)
            self.strangers = int(answer.get("strangers", 0))
            self.supervisor_error = None

    async def _scrape_all(self, session: aiohttp.ClientSession) -> None:
        places = {name: (one, url) for one in self.known for name, url in self._places(one)}
        for gone in self._scraped.keys() - places.keys():
            self.rates.forget(gone)
            self.edges.forget(gone)
            del self._scraped[gone]
        await asyncio.gather(*(self.scrape(session, one, name, url) for name, (one, url) in places.items()))

    def _places(self, service: Service) -> list[tuple[str, str]]:
        """Its copies and where they listen themselves; requests may reach the first by way of something else."""
        if not service.url:
            return []
        copies = self._placement().services.get(service.name, ())
        others = [(copy.name, f"http://{copy.address}") for copy in copies if copy.name != service.name]
        return [(service.name, service.url), *others]

    async def scrape(self, session: aiohttp.ClientSession, service: Service, copy: str, url: str) -> None:
        """Read one copy's metrics; a failure is remembered, its numbers begin anew afterwards."""
        try:
            seen = await scrape(session, url, service.name)
            self.rates.report(copy, {service.name: seen.own})
            self.edges.report(copy, seen.edges)
            self._scraped[copy] = True
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            if self._scraped.get(copy, True):
                log.info("service not scraped", extra={"service": copy, "error": str(error)[:200]})
            self._scraped[copy] = False

    def view(self) -> list[dict[str, Any]]:
        """One entry per service: its first process, what it is for, its copies, and the numbers of all of them."""
        by_name = {process.get("name"): process for process in self.processes}
        placement = self._placement()
        return [
            {
                **by_name.get(service.name, {"name": service.name, "state": "unknown"}),
                "url": service.url,
                "about": service.about,
                "public": service.public,
                "copies": [
                    {**copy.model_dump(), **_state(by_name.get(copy.name, {}))}
                    for copy in placement.services.get(service.name, ())
                ],
                "canary": trial.model_dump(include={"version", "weight"})
                if (trial := placement.trials.get(service.name))
                else None,
                "scraped": self._scraped.get(service.name, False),
                **self.rates.view(service.name),
            }
            for service in self.known
        ]


def _state(process: dict[str, Any]) -> dict[str, Any]:
    return {key: process.get(key) for key in ("pid", "state", "restarts", "uptime_s")}


async def scrape(session: aiohttp.ClientSession, url: str, service: str) -> ServiceTally:
    """What a service has counted.

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
    return tallied(body.decode("utf-8"), service)


def tallied(text: str, service: str) -> ServiceTally:
    """Sum up a Prometheus text.

    Raises:
        ValueError: the text is not in that format.
    """
    tally = ServiceTally(service)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            tally.add(sample.name, sample.labels, sample.value)
    return tally
