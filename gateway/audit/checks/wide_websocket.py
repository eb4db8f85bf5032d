"""WebSockets for every page of the web."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Routes whose `webSocket.origins` holds `*`."""
    for path, route in routes(system):
        if "*" in route.web_socket.origins:
            told = "every page may open a WebSocket through it"
            yield Found((*path, "webSocket", "origins"), f"route {route.name}", told)


CHECK = Check(
    id="wide-websocket",
    severity="medium",
    title="WebSockets are open to every origin",
    why="Browsers send cookies with these handshakes from any page (cross-site WebSocket hijacking, CWE-1385).",
    fix="List the origins of your own pages in `webSocket.origins`.",
    owasp="API8:2023",
    find=find,
)
