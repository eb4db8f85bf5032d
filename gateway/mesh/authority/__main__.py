"""The certificate authority: `python -m gateway.mesh.authority --settings-fd N`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.mesh.authority.admin import AuthorityAdmin
from gateway.mesh.authority.issuer import Intermediate, Issuer
from gateway.mesh.authority.server import AuthorityServer
from gateway.mesh.identity import identity_of
from gateway.observability.logs import JsonFormatter
from gateway.upstream.workload import Workload

log = logging.getLogger("gateway.authority")


@dataclass(frozen=True)
class Settings:
    """What the supervisor tells the authority."""

    listen_fd: int
    """An inherited socket, bound already."""
    intermediate: dict[str, str] = field(repr=False)
    """As gateway.mesh.authority.root says it."""
    token_key: str = field(repr=False)
    """Hexadecimal: what one-time tokens are signed with."""
    life: float
    """Seconds for which a workload's certificate is good."""
    folder: str
    """Where it remembers what it has issued and who is shut out."""
    admin_socket: str
    admin_secret: str = field(repr=False)
    lifeline_fd: int | None = None


async def serve(settings: Settings) -> None:
    """Run until told to stop, or until the process that started us has gone."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.lifeline_fd is not None:
        loop.add_reader(settings.lifeline_fd, stop.set)
    file = Path(settings.folder) / "register.json"
    first = Intermediate.read(settings.intermediate, 1)
    issuer = Issuer(first, bytes.fromhex(settings.token_key), settings.life, time.time, file)
    server = AuthorityServer(issuer, Workload(identity_of("authority")), time.time)
    admin = AuthorityAdmin(Path(settings.admin_socket), settings.admin_secret, server)
    await server.start(socket.socket(fileno=os.dup(settings.listen_fd)))
    await admin.start()
    tending = asyncio.create_task(server.tend())
    log.info("ready")
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({stopping, tending}, return_when=asyncio.FIRST_COMPLETED)
    admin.stop()
    await server.stop()
    stopping.cancel()
    if tending.done():
        tending.result()  # it never ends by itself, so this says why
    tending.cancel()


def main() -> None:
    """Read the settings from the inherited pipe and run."""
    parser = argparse.ArgumentParser(prog="gateway.mesh.authority")
    parser.add_argument("--settings-fd", type=int, required=True)
    with os.fdopen(parser.parse_args().settings_fd) as pipe:
        document: dict[str, Any] = json.load(pipe)
    os.umask(0o077)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    asyncio.run(serve(Settings(**document)))


if __name__ == "__main__":
    main()
