"""/config/…: the configuration as a text: read it, check another one, try it, go back.

The problem: trying a policy must not cost anybody their file. The rule: the file is never written; another text stands
in for it in the control process alone, as a trial that the banner tells of, until somebody goes back or the process
ends. While the lab has weakened something nothing is tried, since a trial would put the control back unnoticed.
Texts may hold secrets, so reading them takes the same right as changing them (gateway.control.guard.PRIVATE).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.control.changes import describe
from gateway.control.kept_texts import meaning_diff, text_diff
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import body_of
from gateway.control.reload import Override
from gateway.control.revision import Revision
from gateway.control.views.config import outcome
from gateway.spec.errors import SpecErrors

TRIAL = "tried in the console"


class TextBody(BaseModel):
    """The body of POST /config/check and /config/try."""

    model_config = ConfigDict(extra="forbid", strict=True)

    text: str = Field(min_length=1, max_length=250_000)


class VersionBody(BaseModel):
    """The body of POST /config/back."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=1)


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def text(_: web.Request) -> web.Response:
        override = plane.reloader.override
        document = {
            "file": str(plane.settings.config),
            "text": in_force(plane),
            "override": override.view() if override else None,
            "kept": plane.reloader.kept.view(),
        }
        return answer(document)

    async def check(request: web.Request) -> web.Response:
        asked = await body_of(request, TextBody)
        return answer(await asyncio.to_thread(checked, plane, asked.text))

    async def try_out(request: web.Request) -> web.Response:
        asked = await body_of(request, TextBody)
        return outcome(await plane.reloader.replace(trial(plane, asked.text, TRIAL)))

    async def back(request: web.Request) -> web.Response:
        asked = await body_of(request, VersionBody)
        kept = plane.reloader.kept.get(asked.version)
        if kept is None:
            raise Problem(404, "no_such_version", "only the texts of the latest ten are kept")
        return outcome(await plane.reloader.replace(trial(plane, kept.text, f"back to version {kept.version}")))

    return [
        web.get("/config/text", text),
        web.post("/config/check", check),
        web.post("/config/try", try_out),
        web.post("/config/back", back),
    ]


def in_force(plane: ControlPlane) -> str:
    """The text that requests meet: what stands in for the file, else the file."""
    override = plane.reloader.override
    try:
        return override.text if override else plane.settings.config.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(503, "config_unreadable", f"{plane.settings.config}: {error}") from None


def checked(plane: ControlPlane, text: str) -> dict[str, Any]:
    """What is wrong with a text, or what it would change; reads files that it names, so not on the event loop."""
    source, current = plane.reloader.source, plane.reloader.current
    lines = text_diff(in_force(plane), text)
    try:
        spec = source.load(source.path, source.variables, text)
        new = Revision.of(1, spec, dict(source.endpoints), source.shape)
    except SpecErrors as broken:
        return {"ok": False, "errors": describe(broken), "diff": lines, "changes": []}
    except (OSError, ValueError) as error:
        return {"ok": False, "errors": [str(error)], "diff": lines, "changes": []}
    return {"ok": True, "errors": [], "diff": lines, "changes": meaning_diff(current.spec if current else {}, new.spec)}


def trial(plane: ControlPlane, text: str, why: str) -> Override | None:
    """The text as a trial; None, so that the file holds, where it is the file's own.

    Raises:
        Problem: 409, the lab has weakened the configuration.
    """
    override = plane.reloader.override
    if override is not None and not override.trial:
        raise Problem(409, "weakened", f"the lab has weakened the configuration ({override.why}): reset that first")
    try:
        if plane.settings.config.read_text("utf-8") == text:
            return None
    except (OSError, UnicodeDecodeError):
        pass  # the file cannot be read, so this is not its text
    return Override(text, why, time.time(), trial=True)
