"""/certificates: which certificates are in use, and until when: the listeners' own, and the identities of a mesh."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from aiohttp import web

from gateway.control.plane import ControlPlane
from gateway.control.problems import answer

LISTENERS: Final = "gateway_certificate_expiry_timestamp_seconds"


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def certificates(_: web.Request) -> web.Response:
        found = [*of_listeners(plane), *of_mesh(plane)]
        return answer({"certificates": sorted(found, key=lambda one: (one["expires"], one["whose"]))})

    return [web.get("/certificates", certificates)]


def of_listeners(plane: ControlPlane) -> Iterator[dict[str, Any]]:
    """What clients are shown, as each worker serves it."""
    for family in plane.book.merged():
        if family.name == LISTENERS:
            for (_, labels), (expires, _exemplar) in family.samples.items():
                told = dict(labels)
                name = f"{told.get('gateway_listener', '')}: {told.get('certificate', '')}"
                yield {"kind": "listener", "whose": name, "holder": told.get("worker", ""), "expires": expires}


def of_mesh(plane: ControlPlane) -> Iterator[dict[str, Any]]:
    """The short-lived identities: the gateway's workers', and those of sidecars."""
    if plane.mesh is None:
        return
    names = {"": "gateway"}
    for one in (*plane.channel.workers, *plane.mesh.channel.workers):
        if one.certificate_expires is not None:
            whose = plane.mesh.identities.get(one.service) or names.get(one.service, one.service)
            yield {"kind": "identity", "whose": whose, "holder": one.name, "expires": one.certificate_expires}
