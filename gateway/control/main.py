"""The control process: `python -m gateway.control.main --settings-fd N`.

It serves the admin API, the console and the trace collector, watches the configuration, and merges the
workers' metrics. It is never on the way of a request: when it is away, traffic flows on.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys

from gateway.compile.load import load_spec
from gateway.control import admin, logs
from gateway.control.collector import Collector
from gateway.control.guard import Guard
from gateway.control.plane import ControlPlane
from gateway.control.servers import serve
from gateway.control.settings import ControlSettings, read_settings

log = logging.getLogger("gateway.control")


async def control(settings: ControlSettings, stop: asyncio.Event) -> None:
    """Run until `stop` is set.

    Raises:
        RuntimeError: there is no usable configuration.
        OSError: a port or socket cannot be bound.
    """
    plane = ControlPlane(settings, load_spec)
    collector = Collector(plane.traces, settings.otlp_secret.get_secret_value(), plane.count_spans)
    secret = settings.admin_secret.get_secret_value()
    runners = []
    try:
        await plane.start()
        runners.append(await serve(settings.collector, lambda _: collector.application()))
        runners.append(await serve(settings.admin, lambda port: admin.application(plane, Guard(port, secret))))
        log.info("control process ready", extra={"collector_port": runners[0][1], "admin_port": runners[1][1]})
        await stop.wait()
    finally:
        await plane.stop()
        await asyncio.gather(*(runner.cleanup() for runner, _ in runners))


async def run(settings: ControlSettings) -> None:
    """Run until SIGTERM, SIGINT, or the end of the process that started us."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.lifeline_fd is not None:
        watch_lifeline(settings.lifeline_fd, stop)
    await control(settings, stop)


def watch_lifeline(descriptor: int, stop: asyncio.Event) -> None:
    """Stop when the other end of the pipe is closed: whoever held it is gone."""
    loop = asyncio.get_running_loop()

    def readable() -> None:
        if not os.read(descriptor, 4_096):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, readable)


def main() -> int:
    """The process's entry point; its exit code."""
    parser = argparse.ArgumentParser(prog="gateway.control")
    parser.add_argument("--settings-fd", type=int, required=True)
    logs.set_up()
    try:
        asyncio.run(run(read_settings(parser.parse_args().settings_fd)))
    except (RuntimeError, OSError, ValueError) as error:
        log.error("control process cannot start", extra={"error": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
