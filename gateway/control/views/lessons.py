"""/lessons: the list, and one lesson with its text as elements. Their commands are run, and answers judged, by jobs."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from gateway.control.commands import ID, Command, command
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer

MAX_KEPT = 64


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""
    kept: dict[str, Any] = {}

    async def printed(wanted: Command, **arguments: str) -> Any:
        """They do not change while this process lives; to ask takes a second."""
        key = " ".join([wanted.words, *arguments.values()])
        if key not in kept:
            found = await plane.jobs.printed(wanted.line(arguments), wanted.seconds)
            if len(kept) < MAX_KEPT:
                kept[key] = found
        return kept[key]

    async def lessons(_: web.Request) -> web.Response:
        return answer({"lessons": await printed(command("lesson-list"))})

    async def lesson(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        known = await printed(command("lesson-list"))
        if not ID.fullmatch(name) or name not in {one["id"] for one in known}:
            raise Problem(404, "no_such_lesson", "see /lessons for those there are")
        return answer(as_elements(await printed(command("lesson-show"), lesson=name)))

    return [web.get("/lessons", lessons), web.get("/lessons/{name}", lesson)]


def as_elements(lesson: dict[str, Any]) -> dict[str, Any]:
    """A lesson whose texts are trees of elements."""
    from gateway.control.markdown import tree  # where no lesson is read, its library is not loaded

    question = lesson["question"]
    facts = {name: value for name, value in lesson.items() if name != "markdown"}
    return {
        **facts,
        "steps": [{**step, "text": tree(step["text"])} for step in lesson["steps"]],
        "question": {**question, "text": tree(question["text"])},
    }
