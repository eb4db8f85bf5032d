"""What is told of an incident: while it runs, without giving it away; at its end, everything."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, NamedTuple

from scenarios.incidents.case import Answers, Case
from scenarios.incidents.catalogue import catalogue
from scenarios.incidents.metrics import WINDOW

COMPRESSED = f"Compressed for a class room: rates over {WINDOW:g} s, where production takes 5 minutes."
PRODUCTION = 300.0


class Event(NamedTuple):
    """One line of the timeline; `at` is None for what did not happen."""

    what: str
    at: float | None
    told: str


def timeline(case: Case, answers: Answers) -> list[Event]:
    """What happened, in the order in which it did; what did not happen stands where it would have been told."""
    one = catalogue()[case.id]
    shown = one.signal.shown
    seen = f"{one.signal.says}: above {shown(one.signal.above)}"
    peak = f" (at most {shown(case.peak)})" if case.peak is not None else ""
    before = f" ({shown(case.before)} before)" if case.before is not None else ""
    happened = [
        Event("began", case.began, one.what),
        Event("visible in metrics", case.visible, f"{seen}{before}{peak}" if case.visible else f"never: {seen}{peak}"),
        Event("alert", *_alert(case)),
        *(Event("found" if a.right else "wrong answer", a.at, f"{a.service}, {a.cause}") for a in answers.given),
        *([] if answers.found else [Event("found", None, f"nobody; it was {one.services[0]}, {one.id}")]),
        Event("ended", case.ended, f"everything restored in {case.restored_in or 0:.1f} s ({case.why})"),
    ]
    there = sorted((event for event in happened if event.at is not None), key=lambda event: event.at or 0.0)
    missing = [event for event in happened if event.at is None]
    return [*there[:-1], *missing, *there[-1:]]


def _alert(case: Case) -> tuple[float | None, str]:
    if case.alert is not None:
        return case.alert["since"], f"{case.alert['name']} fires"
    return None, case.no_alerts or "none fired"


def status(case: Case | None, answers: Answers, running: bool, now: float | None = None) -> dict[str, Any]:
    """What somebody may know who looks for the fault; everything once it has ended."""
    if case is None or case.phase == "ended" or not running:
        return {"state": "none", "last": report(case, answers) if case is not None and case.ended else None}
    one, moment = catalogue()[case.id], now or time.time()
    hidden = case.surprise and not answers.found
    return {
        "state": case.phase,
        "incident": None if hidden else case.id,
        "surprise": case.surprise,
        "ticket": one.ticket,
        "began": iso(case.began),
        "running_s": round(moment - case.began, 1) if case.began else 0.0,
        "ends_in_s": round(max(0.0, case.until - moment), 1),
        "visible_after_s": since(case, case.visible),
        "alert_after_s": since(case, case.alert["since"]) if case.alert else None,
        "alerts": case.no_alerts or "evaluated",
        "found": answers.found is not None,
        "answers": [asdict(one) for one in answers.given],
        "compressed": COMPRESSED,
    }


def report(case: Case, answers: Answers) -> dict[str, Any]:
    """Everything, as JSON."""
    one = catalogue()[case.id]
    return {
        "incident": case.id,
        "service": one.services[0],
        "what": one.what,
        "mend": one.mend,
        "expression": one.signal.promql,
        "window_s": WINDOW,
        "production_window_s": PRODUCTION,
        "compressed": COMPRESSED,
        "value_before": case.before,
        "peak": case.peak,
        "restored_in_s": case.restored_in,
        "found": answers.found is not None,
        "answers": [asdict(answer) for answer in answers.given],
        "timeline": [
            {"what": event.what, "at": iso(event.at), "after_s": since(case, event.at), "told": event.told}
            for event in timeline(case, answers)
        ],
    }


def since(case: Case, moment: float | None) -> float | None:
    """Seconds from the begin."""
    return None if moment is None or case.began is None else round(moment - case.began, 1)


def iso(moment: float | None) -> str | None:
    """As a time in UTC."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
