"""/egress: the third parties that services call, what became of the calls, and who is in quarantine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.control.egress_part import listeners_of, ways_out
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import json_object
from gateway.control.rates import HISTOGRAM

REPLIES = "gateway_local_replies"


class EgressBody(BaseModel):
    """The body of POST /egress/{name}."""

    model_config = ConfigDict(extra="forbid", strict=True)

    do: Literal["quarantine", "release"]
    why: str = Field("", max_length=200)
    """For people; it is shown wherever the quarantine is."""


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def status(_: web.Request) -> web.Response:
        return answer({"third_parties": list(_third_parties(plane))})

    async def change(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            wanted = EgressBody.model_validate(await json_object(request))
        except ValidationError as error:
            raise Problem(422, "invalid_body", f"not understood: {error.errors()[0]['msg']}") from None
        there = [one["name"] for one in _third_parties(plane)]
        if name not in there:
            raise Problem(404, "no_such_third_party", f"there are: {', '.join(there) or 'none'}")
        errors = await plane.set_quarantine(name, wanted.why if wanted.do == "quarantine" else None)
        if errors:
            raise Problem(409, "not_in_force", "; ".join(errors))
        return answer(next(one for one in _third_parties(plane) if one["name"] == name))

    return [web.get("/egress", status), web.post("/egress/{name}", change)]


def _third_parties(plane: ControlPlane) -> Iterator[dict[str, Any]]:
    """Those with a way out, in the file's order, and those that are in quarantine without one."""
    document = plane.reloader.current.spec if plane.reloader.current else {"listeners": (), "routes": ()}
    out = ways_out(document)
    for listener, party in out.items():
        names = {route["name"] for route in document["routes"] if listener in listeners_of(route, document)}
        yield {"name": party, "listener": listener, **_verdict(plane, party), **_calls(plane, names)}
    for party in plane.quarantine.verdicts:
        if party not in out.values():
            yield {"name": party, "listener": None, **_verdict(plane, party), **_calls(plane, set())}


def _verdict(plane: ControlPlane, party: str) -> dict[str, Any]:
    found = plane.quarantine.verdicts.get(party)
    return {"quarantine": found.model_dump() if found else None}


def _calls(plane: ControlPlane, names: set[str]) -> dict[str, Any]:
    """How many there were since the start, and how many of them we answered ourselves, by reason."""
    calls, refused = 0.0, dict[str, float]()
    for family in plane.book.merged():
        for (sample, pairs), (value, _) in family.samples.items():
            labels = dict(pairs)
            if labels.get("http_route") not in names:
                continue
            if family.name == HISTOGRAM and sample.endswith("_count"):
                calls += value
            elif family.name == REPLIES:
                refused[labels["reason"]] = refused.get(labels["reason"], 0.0) + value
    return {"calls": calls, "refused": refused}
