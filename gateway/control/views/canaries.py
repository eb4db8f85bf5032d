"""/canaries: what each canary gets, how it does, and what was decided; changes by hand."""

from __future__ import annotations

from typing import Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.control.canary.book import Watched
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import json_object


class CanaryBody(BaseModel):
    """The body of POST /canaries/{route}."""

    model_config = ConfigDict(extra="forbid", strict=True)

    do: Literal["weight", "promote", "rollback", "resume"]
    weight: int | None = Field(None, ge=0, le=100)
    """Percent; for `do: weight`."""

    @model_validator(mode="after")
    def _fits(self) -> CanaryBody:
        if (self.do == "weight") != (self.weight is not None):
            raise ValueError("weight belongs to, and is needed by, do: weight")
        return self

    def carry_out(self, watched: Watched) -> None:
        """Do it."""
        if self.weight is not None:
            watched.set_weight(self.weight, "set by request")
        elif self.do == "promote":
            watched.promote("promoted by request")
        elif self.do == "rollback":
            watched.roll_back("rolled back by request")
        else:
            watched.resume("resumed by request")


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def canaries(_: web.Request) -> web.Response:
        plane.follow()
        return answer({"canaries": [one.view() for one in plane.canaries.book.watched.values()]})

    async def change(request: web.Request) -> web.Response:
        plane.follow()
        wanted = _read(await json_object(request))
        try:
            watched = plane.canaries.change(request.match_info["route"], wanted.carry_out, wanted.do == "rollback")
        except KeyError:
            raise Problem(404, "no_canary", "there is no route of this name with a canary") from None
        return answer(watched.view())

    return [web.get("/canaries", canaries), web.post("/canaries/{route}", change)]


def _read(document: dict[str, object]) -> CanaryBody:
    try:
        return CanaryBody.model_validate(document)
    except ValidationError as error:
        fields = [{"field": ".".join(map(str, one["loc"])), "error": one["msg"]} for one in error.errors()]
        raise Problem(422, "invalid_body", "the change is not understood", errors=fields) from None
