"""When certificates expire that this instance shows to others, soonest first, out of the workers' metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.control.metrics_merge import Family

EXPIRIES = {
    "gateway_certificate_expiry_timestamp_seconds": ("listener", ("gateway_listener", "certificate")),
    "gateway_mesh_identity_expiry_timestamp_seconds": ("identity", ("identity",)),
}
"""Family → what it tells of, and the labels that name one of them."""
MOST = 100


def certificates(families: Iterable[Family], now: float) -> list[dict[str, Any]]:
    """One entry per certificate, with the soonest end that any process tells; `now` in seconds since the epoch."""
    soonest: dict[tuple[str, str], float] = {}
    for family in families:
        kind, naming = EXPIRIES.get(family.name, ("", ()))
        for (_, labels), (expires, _) in family.samples.items() if kind else ():
            told = dict(labels)
            name = " ".join(filter(None, (told.get(label) for label in naming)))
            soonest[kind, name] = min(expires, soonest.get((kind, name), expires))
    rows = sorted((expires, kind, name) for (kind, name), expires in soonest.items())[:MOST]
    return [
        {"kind": kind, "name": name, "expires": expires, "seconds_left": round(expires - now, 1)}
        for expires, kind, name in rows
    ]
