"""What `gatehouse top` draws: from the admin API's answers to lines and tables, without asking anybody.

The rule: the most important thing stands first and is a sentence; a table shows only rows with something to say, the
busiest first, and says how many it leaves out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.cli import alerts
from gateway.cli.console import duration, table
from gateway.cli.text import visible

if TYPE_CHECKING:
    from rich.console import RenderableType

ROWS = 12
SOON = 7 * 86_400.0
"""Seconds: a certificate that ends within them is named; identities of a mesh live for minutes and only at the end."""
SOON_IDENTITY = 60.0
LOOKED_AT = 500
RATES = ("REQ/S", "REFUSED", "FAILED", "P50", "P95")


def gathered(now: dict[str, Any], requests: list[dict[str, Any]], certificates: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything that is shown, as one document."""
    return {
        "time": now["time"],
        "sentence": sentence(now["total"]),
        "weakened": now["config"]["override"],
        "configuration": now["config"]["last"],
        "alerts": now["alerts"],
        "total": numbers(now["total"]),
        "routes": [{"name": one["name"], **numbers(one)} for one in busiest(now["routes"])],
        "services": [
            {"name": one["name"], "state": one["state"], **numbers(one)} for one in now["services"] if "rate" in one
        ],
        "refusals": refusals(requests),
        "requests_looked_at": len(requests),
        "certificates": ending(certificates, datetime.fromisoformat(now["time"]).timestamp()),
    }


def ending(certificates: Iterable[dict[str, Any]], now: float) -> list[dict[str, Any]]:
    """Those that end soon, the first to end first; what several processes show counts once. `now`: epoch, seconds."""
    soonest: dict[str, dict[str, Any]] = {}
    for one in certificates:  # the admin API tells the first to end first
        soonest.setdefault(one["whose"], {**one, "seconds_left": round(one["expires"] - now, 1)})
    return [one for one in soonest.values() if one["seconds_left"] < _soon(one)]


def numbers(view: dict[str, Any]) -> dict[str, Any]:
    """Of a route, a service or all: what happens in a second, and how long it takes."""
    return {name: view[name] for name in ("rate", "refused", "failing", "p50_ms", "p95_ms")}


def busiest(views: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those with requests within the last minute, most first."""
    return sorted((one for one in views if one["p50_ms"] is not None), key=lambda one: -one["rate"])


def refusals(requests: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who said no, why and by which line, the most frequent first."""
    counted = Counter(
        (
            one.get("decided_by", ""),
            one.get("route", ""),
            one.get("reason") or str(one["status"]),
            one.get("policy", ""),
        )
        for one in requests
        if 400 <= one["status"] < 500
    )
    names = ("decided_by", "route", "reason", "policy")
    return [dict(zip(names, who, strict=True)) | {"count": count} for who, count in counted.most_common()]


def sentence(total: dict[str, Any]) -> str:
    """`12 requests/s, 0.4 % refused on purpose, 0 % failing, p95 40 ms`."""
    if not total["rate"]:
        return "No requests at the moment."
    shares = [f"{100 * total[name] / total['rate']:.2g} %" for name in ("refused", "failing")]
    slow = f", p95 {millis(total['p95_ms'])}" if total["p95_ms"] is not None else ""
    return f"{total['rate']:.1f} requests/s, {shares[0]} refused on purpose, {shares[1]} failing{slow}"


def millis(value: float | None) -> str:
    """A time in ms, as people read it."""
    return "–" if value is None else duration(value / 1000)


def _soon(certificate: dict[str, Any]) -> float:
    return SOON_IDENTITY if certificate["kind"] == "identity" else SOON


def picture(shown: dict[str, Any]) -> RenderableType:
    """All of it, one below the other."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(shown["sentence"], style="bold"), *_states(shown), Text()]
    parts += [_rates("ROUTE", shown["routes"]), Text()]
    parts += [_rates("SERVICE", shown["services"]), Text()] if shown["services"] else []
    parts += [*_refusals(shown), *_alerts(shown)]
    return Group(*parts)


def _states(shown: dict[str, Any]) -> Iterator[RenderableType]:
    """Weakened or not, and everything else that is out of the ordinary."""
    from rich.text import Text

    if weakened := shown["weakened"]:
        since = datetime.fromtimestamp(weakened["since"]).strftime("%H:%M:%S")
        yield Text(f"WEAKENED since {since}: {visible(weakened['why'])}", style="bold red")
    else:
        yield Text("DEFENDED: the configuration file is in force.", style="green")
    last = shown["configuration"]
    if last and last["result"] in ("rejected", "rolled_back"):
        yield Text(f"The changed file was {last['result'].replace('_', ' ')}: gatehouse check", style="yellow")
    for one in shown["certificates"]:
        left = one["seconds_left"]
        when = f"expires in {duration(left)}" if left > 0 else f"expired {duration(-left)} ago"
        yield Text(f"Certificate of {visible(one['whose'])} {when}.", style="red" if left <= 0 else "yellow")
    firing = any(one["state"] == "firing" for one in shown["alerts"]["alerts"])
    style = "red" if firing else "yellow" if not shown["alerts"]["evaluated"] else "green"
    yield Text(visible(alerts.sentence(shown["alerts"])), style=style)


def _rates(title: str, views: Sequence[dict[str, Any]]) -> RenderableType:
    columns = (title, *RATES)
    rows = [_rate_row(one) for one in views[:ROWS]] or [("none within the last minute", *[""] * len(RATES))]
    if len(views) > ROWS:
        rows.append((f"and {len(views) - ROWS} more", *[""] * len(RATES)))
    return table(columns, rows, right=RATES)


def _rate_row(one: dict[str, Any]) -> tuple[str, ...]:
    state = one.get("state", "running")
    name = one["name"] or "(no route)"
    rates = (f"{one[key]:.1f}" if one[key] else "0" for key in ("rate", "refused", "failing"))
    named = name if state in ("running", "unknown") else f"{name} ({state})"
    return (named, *rates, millis(one["p50_ms"]), millis(one["p95_ms"]))


def _refusals(shown: dict[str, Any]) -> Iterator[RenderableType]:
    from rich.text import Text

    if not shown["refusals"]:
        return
    columns = ("WHO REFUSES", "ROUTE", "REASON", "BY", "TIMES")
    rows = [
        (one["decided_by"], one["route"] or "–", one["reason"], one["policy"] or "–", one["count"])
        for one in shown["refusals"][:ROWS]
    ]
    yield table(columns, rows, right=("TIMES",))
    yield Text(f"of the latest {shown['requests_looked_at']} requests\n", style="dim")


def _alerts(shown: dict[str, Any]) -> Iterator[RenderableType]:
    found = shown["alerts"]["alerts"]
    if found:
        yield table(alerts.COLUMNS, list(alerts.rows(found[:ROWS], datetime.now(UTC))))
