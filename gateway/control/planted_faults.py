"""Planting failures in front of a service, live, and taking them out again.

The problem: to see what a slow or failing service does to others, one needs one, now. The rule: the configuration's
own key `faults` does it (docs/retries.md), in a changed copy that stands in for the file; the file is never touched.
One copy can stand in at a time: where the lab has put one there, or an editor, nothing is planted before it is gone.
"""

from __future__ import annotations

import time
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from gateway.control.reload import Override, Reloader, Result

WHY = "planted faults"


class Delay(BaseModel):
    """A share of tries that begin late."""

    model_config = ConfigDict(extra="forbid", strict=True)

    percent: int = Field(ge=1, le=100)
    ms: int = Field(ge=1, le=30_000)


class Abort(BaseModel):
    """A share of tries that fail."""

    model_config = ConfigDict(extra="forbid", strict=True)

    percent: int = Field(ge=1, le=100)
    status: int = Field(ge=400, le=599)


class Planted(BaseModel):
    """What is planted on a route."""

    model_config = ConfigDict(extra="forbid", strict=True)

    delay: Delay | None = None
    abort: Abort | None = None

    @model_validator(mode="after")
    def _something(self) -> Planted:
        if self.delay is None and self.abort is None:
            raise ValueError("name a delay, an abort, or both")
        return self

    def spec(self) -> dict[str, Any]:
        """As the configuration says it."""
        told: dict[str, Any] = {}
        if self.delay:
            told["delay"] = {"percent": self.delay.percent, "duration": f"{self.delay.ms}ms"}
        if self.abort:
            told["abort"] = {"percent": self.abort.percent, "status": self.abort.status}
        return told


class Occupied(Exception):
    """Something else stands in for the file; the text says what."""


class UnknownRoute(Exception):
    """There is no route of that name."""


def view(reloader: Reloader) -> list[dict[str, Any]]:
    """Every route with what is planted there, in the file's order."""
    spec = reloader.current.spec if reloader.current else {}
    return [{"name": one["name"], "faults": one.get("faults")} for one in spec.get("routes", ())]


async def plant(reloader: Reloader, route: str, planted: Planted | None) -> Result:
    """Have exactly this planted on a route; None: nothing.

    Raises:
        Occupied, UnknownRoute: nothing is changed.
        OSError, ValueError: the file cannot be read; ValueError also for text that is no YAML.
    """
    override = reloader.override
    if override is not None and not override.why.startswith(WHY):
        raise Occupied(f"another configuration stands in for the file: {override.why}")
    own = reloader.source.path.read_text("utf-8")
    document = yaml.safe_load(override.text if override else own)
    routes = {one["name"]: one for one in document.get("routes", ())}
    if route not in routes:
        raise UnknownRoute(route)
    routes[route].pop("faults", None)
    if planted is not None:
        routes[route]["faults"] = planted.spec()
    return await reloader.replace(None if document == yaml.safe_load(own) else _instead(document))


async def clear(reloader: Reloader) -> Result | None:
    """Let the file hold again, if it was us who put something in its place."""
    if reloader.override is None or not reloader.override.why.startswith(WHY):
        return None
    return await reloader.replace(None)


def _instead(document: dict[str, Any]) -> Override:
    where = [one["name"] for one in document["routes"] if one.get("faults")]
    names = ", ".join(where[:5]) + (" …" if len(where) > 5 else "")
    return Override(
        yaml.safe_dump(document, sort_keys=False, width=200), f"{WHY}: {names}"[:200], time.time(), trial=True
    )
