"""/jobs: commands of `gatehouse` that the console runs; what they print, line by line."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.control.commands import command
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import body_of

WAIT_SECONDS = 10.0


class JobBody(BaseModel):
    """The body of POST /jobs."""

    model_config = ConfigDict(extra="forbid", strict=True)

    command: str = Field(max_length=60)
    arguments: dict[str, str] = Field(default_factory=dict, max_length=8)


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""
    jobs = plane.jobs

    async def begin(request: web.Request) -> web.Response:
        asked = await body_of(request, JobBody)
        chosen = command(asked.command)
        words = chosen.line(asked.arguments)
        job = jobs.start(asked.command, words, chosen.seconds, attended=chosen.attended)
        return answer(job.view(), status=202)

    async def overview(_: web.Request) -> web.Response:
        return answer({"jobs": [job.view() for job in reversed(jobs.all.values())]})

    async def one(request: web.Request) -> web.Response:
        job, after = jobs.get(request.match_info["id"]), request.query.get("after", "0")
        if not (after.isascii() and after.isdigit() and len(after) < 8):
            raise Problem(400, "invalid_query", "after must be a number of lines")
        job.attend()
        await job.news(int(after), WAIT_SECONDS)
        return answer({**job.view(), "output": job.lines[int(after) :]})

    async def cancel(request: web.Request) -> web.Response:
        job = jobs.get(request.match_info["id"])
        await jobs.cancel(job)
        return answer(job.view())

    async def step(request: web.Request) -> web.Response:
        job = jobs.get(request.match_info["id"])
        job.step()
        return answer(job.view())

    return [
        web.post("/jobs", begin),
        web.get("/jobs", overview),
        web.get("/jobs/{id}", one),
        web.delete("/jobs/{id}", cancel),
        web.post("/jobs/{id}/step", step),
    ]
