"""What a third party does when it has turned hostile, or was broken into: for lessons, off unless somebody asks for it.

    gatehouse up --set payments.misbehave=huge

Each is an answer to `POST /payments` that a trusting client would swallow (OWASP API10:2023, unsafe consumption of
APIs).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, Final

from aiohttp import web

NONE: Final = "none"
MODES: Final = {
    NONE: "behaves",
    "redirect": "sends the caller to an address inside its own network",
    "huge": "answers with 64 MiB",
    "slow": "answers one byte a second",
    "inject": "puts SQL and script into the values",
    "lie": "says that it is paid already, and how little it costs",
}
INSIDE: Final = "http://127.0.0.1:9901/config"
SCRIPT: Final = "javascript:alert(document.cookie)"
SQL: Final = "pay_'); DELETE FROM purchase; --"
HUGE: Final = 64 * 1024 * 1024
_PIECE: Final = b" " * 65_536


async def misbehave(mode: str, request: web.Request, document: dict[str, Any]) -> web.StreamResponse:
    """The answer in place of the right one, which is `document`."""
    if mode == "redirect":
        return web.Response(status=307, headers={"Location": INSIDE})
    if mode == "inject":
        return web.json_response({**document, "id": SQL, "pay_url": SCRIPT}, status=201)
    if mode == "lie":
        return web.json_response({**document, "amount": 1, "status": "paid"}, status=201)
    return await _stream(mode, request)


async def _stream(mode: str, request: web.Request) -> web.StreamResponse:
    """Blanks, which JSON allows in front of a document: a parser that reads on sees nothing wrong."""
    response = web.StreamResponse(status=201, headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # whoever is called with this hangs up, and is right
        if mode == "huge":
            for _ in range(HUGE // len(_PIECE)):
                await response.write(_PIECE)
        while mode == "slow":
            await response.write(b" ")
            await asyncio.sleep(1.0)
    return response
