"""Which alerts fire, as the instance's Prometheus says; and plainly nothing where there is none.

The problem: a console without alerts looks like a console without trouble. The rule: who asks is told whether alerts
are evaluated at all, and if not, why not. Prometheus is asked every two seconds, with a deadline and a size, and only
its latest answer counts: when it is away, no older one stands in for it.

The interface: https://prometheus.io/docs/prometheus/latest/querying/api/#alerts
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson

LOOK_SECONDS = 2.0
DEADLINE = 1.5
MAX_ANSWER = 1024 * 1024
MAX_ALERTS = 200
NONE_RUNS = "no Prometheus runs with this instance: gatehouse up --prometheus starts one"
OWN_LABELS = frozenset({"alertname", "severity", "variant", "incident"})


class Alerts:
    """The latest answer of one Prometheus; `url` None: there is none."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._why = "Prometheus was not asked yet" if url else NONE_RUNS
        self._alerts: list[dict[str, Any]] = []

    def view(self) -> dict[str, Any]:
        """As JSON: whether alerts are evaluated, why not, where, and those that fire or are about to."""
        return {"evaluated": not self._why, "why": self._why, "url": self.url, "alerts": self._alerts}

    async def run(self) -> None:
        """Ask again and again."""
        timeout = aiohttp.ClientTimeout(total=DEADLINE)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            while True:
                await self.look(session)
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self, session: aiohttp.ClientSession) -> None:
        """Ask once."""
        try:
            self._alerts, self._why = await self._asked(session), ""
        except aiohttp.ClientResponseError as error:
            self._alerts, self._why = [], f"Prometheus answers with status {error.status}"
        except (aiohttp.ClientError, TimeoutError):
            self._alerts, self._why = [], "Prometheus does not answer"
        except (ValueError, LookupError, TypeError, AttributeError):
            self._alerts, self._why = [], "Prometheus gave an answer that is none"

    async def _asked(self, session: aiohttp.ClientSession) -> list[dict[str, Any]]:
        async with session.get(f"{self.url}/api/v1/alerts", allow_redirects=False) as response:
            response.raise_for_status()
            body = b""
            while len(body) <= MAX_ANSWER and (more := await response.content.read(MAX_ANSWER)):
                body += more
        found = orjson.loads(body)["data"]["alerts"]  # cut off, it is no JSON
        found.sort(key=lambda alert: (alert["state"] != "firing", alert["labels"].get("severity") != "page"))
        return [_alert(one) for one in found[:MAX_ALERTS]]


def _alert(told: dict[str, Any]) -> dict[str, Any]:
    labels, words = told["labels"], told["annotations"]
    return {
        "name": labels["alertname"],
        "state": told["state"],
        "severity": labels.get("severity", ""),
        "variant": labels.get("variant", ""),
        "incident": labels.get("incident", ""),
        "service": labels.get("service", ""),
        "since": told["activeAt"],
        "summary": words.get("summary", ""),
        "description": words.get("description", ""),
        "labels": {name: value for name, value in labels.items() if name not in OWN_LABELS},
    }
