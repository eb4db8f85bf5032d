"""/limits: who has used how much of each limit, right now.

A limit without a store is told worker by worker. One in a store is one count for all; each worker knows what it heard
last, so of two workers the one that heard of less being left is the nearer to the truth.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer

KEYS_TOLD = 20
ABOUT = ("route", "name", "type", "where", "terms", "key", "store", "enforced")


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def limits(request: web.Request) -> web.Response:
        answers = await plane.channel.ask_all("limits", {"route": request.query.get("route")})
        if not answers:
            raise Problem(503, "no_worker", "no gateway worker is connected")
        return answer(limits_document(answers))

    return [web.get("/limits", limits)]


def limits_document(answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The workers' answers put together: each limit once, with its counts."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for worker, told in answers.items():
        for limit in told.get("limits", ()):
            about = {name: limit[name] for name in ABOUT}
            one = found.setdefault(tuple(about.values()), {**about, "counts": []})
            one["counts"].append({"worker": worker, "keys": limit["keys"], "top": limit["top"]})
    for limit in found.values():
        if limit["store"] is not None:
            limit["counts"] = [together(limit["counts"])]
    more = max((told.get("more", 0) for told in answers.values()), default=0)
    return {"limits": list(found.values()), "more": more}


def together(counts: list[dict[str, Any]]) -> dict[str, Any]:
    """One count of several workers' memories of it."""
    keys: dict[str, dict[str, Any]] = {}
    for key in (key for count in counts for key in count["top"]):
        known = keys.setdefault(key["key"], key)
        if key["left"] < known["left"]:
            keys[key["key"]] = key
    fullest = sorted(keys.values(), key=lambda key: float(key["left"] / key["size"]))
    return {"worker": None, "keys": max(count["keys"] for count in counts), "top": fullest[:KEYS_TOLD]}
