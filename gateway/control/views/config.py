"""/config, /routes: what is in force; /reload and /explain."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from gateway.control.channel import NoWorkerError
from gateway.control.live_message import worker_views
from gateway.control.match_text import match_text
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import explain_request, json_object
from gateway.control.reload import Override, Result

STATUS = {"accepted": 200, "unchanged": 200, "rejected": 422, "rolled_back": 409}


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def config(_: web.Request) -> web.Response:
        return answer(config_document(plane))

    async def route_list(_: web.Request) -> web.Response:
        return answer({"routes": [route_document(route, plane) for route in _spec(plane)["routes"]]})

    async def reload(_: web.Request) -> web.Response:
        return outcome(await plane.reloader.reload("request"))

    async def override(request: web.Request) -> web.Response:
        return outcome(await plane.reloader.replace(asked_override(await json_object(request))))

    async def restore(_: web.Request) -> web.Response:
        return outcome(await plane.reloader.replace(None))

    async def explain(request: web.Request) -> web.Response:
        question = explain_request(await json_object(request), _spec(plane)["listeners"])
        try:
            return answer(await plane.channel.ask("explain", question))
        except NoWorkerError:
            raise Problem(503, "no_worker", "no gateway worker is connected") from None
        except TimeoutError:
            raise Problem(504, "worker_timeout", "the worker did not answer in time") from None

    return [
        web.get("/config", config),
        web.get("/routes", route_list),
        web.post("/reload", reload),
        web.put("/override", override),
        web.delete("/override", restore),
        web.post("/explain", explain),
    ]


def asked_override(given: dict[str, Any]) -> Override:
    """What shall stand in for a file.

    Raises:
        Problem: `invalid_override`.
    """
    text, why = given.get("text"), given.get("why")
    if not isinstance(text, str) or not isinstance(why, str) or not 0 < len(why) <= 200:
        raise Problem(422, "invalid_override", "give the whole configuration as `text`, and `why` in a few words")
    return Override(text, why, time.time())


def outcome(result: Result) -> web.Response:
    """How a reload ended, as an answer.

    Raises:
        Problem: `config_rejected` or `config_rolled_back`, with every mistake and its line.
    """
    if STATUS[result.result] != 200:
        extra = {name: value for name, value in asdict(result).items() if name != "result"}
        raise Problem(STATUS[result.result], f"config_{result.result}", "\n".join(result.errors), **extra)
    return answer(asdict(result))


def override_document(plane: ControlPlane) -> dict[str, Any] | None:
    """What stands in for the file, the gateway's or the mesh's, and why; None when the files hold."""
    override = plane.override
    return override.view() if override else None


def _spec(plane: ControlPlane) -> dict[str, Any]:
    if plane.reloader.current is None:
        raise Problem(503, "no_config", "no configuration is loaded")
    return plane.reloader.current.spec


def config_document(plane: ControlPlane) -> dict[str, Any]:
    """The effective configuration and the results of the latest reloads, newest first."""
    reloader = plane.reloader
    return {
        "version": reloader.current.version if reloader.current else None,
        "last_good_version": reloader.good.version if reloader.good else None,
        "file": str(plane.settings.config),
        "override": override_document(plane),
        "spec": without_secrets(_spec(plane)),
        "endpoints": reloader.current.endpoints if reloader.current else {},
        "workers": worker_views(plane),
        "history": [asdict(result) for result in reloader.history],
    }


def without_secrets(spec: dict[str, Any]) -> dict[str, Any]:
    """The configuration as it may be shown: any local process can read this API."""
    stores = [one | {"password": "***"} if one.get("password") else one for one in spec.get("stores", ())]
    routes = [one | {"filters": _without_secrets(one.get("filters", ()))} for one in spec.get("routes", ())]
    return {**spec, "stores": stores, "routes": routes, "filters": _without_secrets(spec.get("filters", ()))}


def _without_secrets(filters: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Whatever a filter calls `secrets` is not for showing."""
    return [one | {"secrets": ["***"] * len(one["secrets"])} if one.get("secrets") else one for one in filters]


def route_document(route: dict[str, Any], plane: ControlPlane) -> dict[str, Any]:
    """A route as configured, its filters in order (those of every route first), and its numbers."""
    filters = [*_spec(plane)["filters"], *route["filters"]]
    return {
        "name": route["name"],
        "listeners": route["listeners"],
        "hostnames": route["hostnames"],
        "matches": [match_text(match) for match in route["matches"]],
        "public": route["public"],
        "lifecycle": route["lifecycle"],
        "filters": [{"type": one["type"], "where": one["where"]} for one in filters],
        "clusters": [{"name": ref["cluster"], "weight": ref["weight"]} for ref in route["backendRefs"]],
        "canary": _canary(route, plane),
        "where": route["where"],
        **plane.rates.view(route["name"]),
    }


def _canary(route: dict[str, Any], plane: ControlPlane) -> dict[str, Any] | None:
    """The route's canary and its weight as decided, which is not always that of the file."""
    watched = plane.canaries.book.watched.get(route["name"])
    return None if watched is None else {"name": watched.spec.cluster, "weight": watched.decision.weight}
