"""What clients ask for and nobody offers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from gateway.audit.model import Check, Found, System

SHOWN: Final = 3


def find(system: System) -> Iterator[Found]:
    """Requests without a route, the commonest first."""
    asked = Counter(
        f"{one.method} {one.path[:60]}" for one in (system.running.seen if system.running else ()) if not one.route
    )
    if asked:
        listed = ", ".join(f"{request} ({count})" for request, count in asked.most_common(SHOWN))
        more = f" and {len(asked) - SHOWN} more" if len(asked) > SHOWN else ""
        yield Found((), "requests without a route", f"{asked.total()} of the latest: {listed}{more}")


CHECK = Check(
    id="no-route-traffic",
    severity="info",
    title="Clients ask for what no route serves",
    why="It may be a scan, a client of an API that is gone, or a route that somebody forgot.",
    fix="`gatehouse explain METHOD PATH` tells which routes came near; a client of your own needs mending.",
    owasp="API9:2023",
    find=find,
    needs_running=True,
    comes_and_goes=True,
)
