"""The live state of all limits of this worker, for the admin API.

The problem: a thousand limits with thousands of keys each are seconds of work, and requests are served by the same
thread. The rule: one limit at a time, with requests in between; limits that nobody has used are counted, not listed;
of the others the fullest come first, and not more than were asked for.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from gateway.compile.snapshot import Snapshot

LIMITS_TOLD: Final = 100


async def limits(snapshot: Snapshot, route: str | None) -> dict[str, Any]:
    """Each limit in use, with its route ("" for those of every route) and its most used keys; or those of one route."""
    found: list[dict[str, Any]] = []
    unused = 0
    for (of_route, _), one in snapshot.filters.items():
        if route is not None and of_route not in ("", route):
            continue
        view = one.view()
        if view is None:
            continue
        if view["top"]:
            found.append({"route": of_route, **view})
            await asyncio.sleep(0)
        else:
            unused += 1
    found.sort(key=_share_left)
    return {"limits": found[:LIMITS_TOLD], "more": len(found[LIMITS_TOLD:]), "unused": unused}


def _share_left(view: dict[str, Any]) -> float:
    return float(min(key["left"] / key["size"] for key in view["top"]))
