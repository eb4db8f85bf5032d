"""Binding the control process's two ports."""

from __future__ import annotations

import socket
from collections.abc import Callable

from aiohttp import web

from gateway.control.settings import Place

STOP_SECONDS = 1.0


async def serve(place: Place, application: Callable[[int], web.Application]) -> tuple[web.AppRunner, int]:
    """Bind, then build the application, which may want to know the port; the runner and that port.

    Bodies are handed over as they were sent: whoever wants to inflate one must set a limit.

    Raises:
        OSError: the address is not free, or not ours; the text says which.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    try:
        listening = socket.create_server((place.host, place.port), family=family)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {place.host}:{place.port}: {error.strerror}") from None
    port = int(listening.getsockname()[1])
    runner = web.AppRunner(application(port), access_log=None, auto_decompress=False, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    return runner, port
