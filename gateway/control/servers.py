"""The control process as a whole: its parts behind two ports, started and stopped together."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

from aiohttp import web

from gateway.control import admin
from gateway.control.collector import Collector
from gateway.control.guard import Guard
from gateway.control.plane import ControlPlane
from gateway.control.reload import Loader
from gateway.control.settings import ControlSettings, Place

log = logging.getLogger(__name__)

STOP_SECONDS = 1.0


class Control:
    """The control plane behind the admin port, and the collector behind its own."""

    def __init__(self, settings: ControlSettings, load: Loader) -> None:
        self._settings = settings
        self._runners: list[web.AppRunner] = []
        self.plane = ControlPlane(settings, load)
        self.admin_port = self.collector_port = 0

    async def start(self) -> None:
        """Load the configuration, then answer.

        Raises:
            RuntimeError: there is no usable configuration.
            OSError: a port or socket cannot be bound.
        """
        await self.plane.start()
        self.collector_port = await self._serve(self._settings.collector, self._collector)
        self.admin_port = await self._serve(self._settings.admin, self._admin)
        ports = {"admin_port": self.admin_port, "collector_port": self.collector_port}
        log.info("control process ready", extra=ports)

    async def stop(self) -> None:
        """Stop answering; workers serve on."""
        await self.plane.stop()
        for runner in self._runners:
            await runner.cleanup()

    def _collector(self, _: int) -> web.Application:
        secret = self._settings.otlp_secret.get_secret_value()
        return Collector(self.plane.traces, secret, self.plane.count_spans).application()

    def _admin(self, port: int) -> web.Application:
        guard = Guard(port, self._settings.admin_secret.get_secret_value())
        return admin.application(self.plane, guard)

    async def _serve(self, place: Place, application: Callable[[int], web.Application]) -> int:
        runner, port = await serve(place, application)
        self._runners.append(runner)
        return port


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
