"""/caches: what each worker keeps; /caches/purge: forget it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import json_object


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def caches(_: web.Request) -> web.Response:
        return answer(caches_document(await _ask_all(plane, "caches", {})))

    async def purge(request: web.Request) -> web.Response:
        question = purge_question(await json_object(request), _names(plane))
        answers = await _ask_all(plane, "purge", question)
        done = {worker: told["purged"] for worker, told in answers.items() if "purged" in told}
        silent = sorted({worker.name for worker in plane.channel.workers} - done.keys())
        return answer({"purged": done, "silent": silent}, 502 if silent else 200)

    return [web.get("/caches", caches), web.post("/caches/purge", purge)]


async def _ask_all(plane: ControlPlane, ask: str, question: dict[str, Any]) -> dict[str, dict[str, Any]]:
    answers = await plane.channel.ask_all(ask, question)
    if not answers:
        raise Problem(503, "no_worker", "no gateway worker is connected")
    return answers


def _names(plane: ControlPlane) -> list[str]:
    current = plane.reloader.current
    return [one["name"] for one in current.spec.get("caches", ())] if current is not None else []


def purge_question(document: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What workers are told: {"path": …} or {"all": true}, and perhaps {"cache": …}.

    Raises:
        Problem: 422, it says neither or both, or something that is not there.
    """
    path, everything, cache = document.get("path"), document.get("all", False), document.get("cache")
    if document.keys() - {"path", "all", "cache"} or (path is None) == (everything is not True):
        raise Problem(422, "invalid_body", 'say {"path": "/…"} or {"all": true}; {"cache": NAME} narrows it')
    if path is not None and not (isinstance(path, str) and path.startswith("/") and len(path) <= 4_096):
        raise Problem(422, "invalid_body", "path: it begins with a slash")
    if cache is not None and cache not in names:
        raise Problem(422, "invalid_body", f"cache: one of {', '.join(names) or 'none'}")
    return {"path": path, "cache": cache}


def caches_document(answers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The workers' answers put together: each cache once, with what each worker keeps in it."""
    found: dict[str, list[dict[str, Any]]] = {}
    for worker, told in answers.items():
        for one in told.get("caches", ()):
            found.setdefault(one["name"], []).append({"worker": worker, **one})
    return {"caches": [{"name": name, "workers": workers} for name, workers in found.items()]}
