"""Looks at the metrics and the alerts once a second, and notes when the fault shows in either."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from gateway.cli.wire import send
from scenarios.incidents.case import Case
from scenarios.incidents.metrics import GATEWAY, History
from scenarios.incidents.model import Incident

SCRAPE_SECONDS = 1.0
TIMEOUT = 5.0
NO_ALERTS = "no alerts are evaluated"
log = logging.getLogger("incident")


class Observer:
    """Of one incident."""

    def __init__(self, instance: Instance, incident: Incident, case: Case, wall: Callable[[], float] = time.time):
        self._instance, self._incident, self._case, self._wall = instance, incident, case, wall
        self._selects = list(incident.signal.expression.selects())
        self.history = History()

    def look(self) -> None:
        """Scrape, evaluate, ask for alerts."""
        case, now = self._case, self._wall()
        texts = {source: text for source in {one.source for one in self._selects} if (text := self._scrape(source))}
        self.history.add(now, texts, self._selects)
        value = case.value = self._incident.signal.expression.value(self.history)
        if case.began is None:
            case.before = value
            return
        if value is not None:
            case.peak = value if case.peak is None else max(case.peak, value)
        if case.visible is None and self._incident.signal.crossed(value):
            case.visible = now
        if case.alert is None:
            self._look_for_alert()

    def _scrape(self, source: str) -> str:
        """Nothing where nobody answers: a service may just be exchanged for another version."""
        instance = self._instance
        url = instance.admin_url if source == GATEWAY else f"http://127.0.0.1:{instance.ports[source]}"
        with suppress(Failure):
            answer = send(url, "GET", "/metrics", timeout=TIMEOUT)
            if answer.ok:
                return answer.body.decode()
        log.info("not scraped", extra={"source": source})
        return ""

    def _look_for_alert(self) -> None:
        """The first alert that fires for this incident, as Prometheus tells it by way of the admin API."""
        case = self._case
        try:
            answer = self._instance.admin_answer("GET", "/alerts")
        except Failure:
            return
        told: dict[str, Any] = answer.json() if answer.ok else {}
        case.no_alerts = "" if told.get("evaluated") else f"{NO_ALERTS}{': ' + told['why'] if told.get('why') else ''}"
        case.alert = first_about(case, told.get("alerts", ()), self._wall())


def first_about(case: Case, alerts: Iterable[dict[str, Any]], now: float) -> dict[str, Any] | None:
    """The first alert that fires for this incident: its own, or one for a symptom (an error budget) since it began."""
    firing = [
        {"name": one["name"], "since": seconds_of(one.get("since"), now)}
        for one in alerts
        if one.get("state") == "firing" and one.get("incident", "") in ("", case.id)
    ]
    since = [one for one in firing if case.began is not None and one["since"] >= case.began]
    return min(since, key=lambda one: one["since"], default=None)


def seconds_of(iso: object, otherwise: float) -> float:
    """A time as Prometheus writes it, in seconds since the epoch."""
    try:
        return datetime.fromisoformat(str(iso)).timestamp()
    except ValueError:
        return otherwise
