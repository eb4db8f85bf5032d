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
from gateway.control import logs
from gateway.control.servers import Control
from gateway.control.settings import ControlSettings, read_settings

log = logging.getLogger("gateway.control")


async def run(settings: ControlSettings) -> None:
    """Run until SIGTERM, SIGINT, or the end of the process that started us."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if settings.lifeline_fd is not None:
        watch_lifeline(settings.lifeline_fd, stop)
    control = Control(settings, load_spec)
    try:
        await control.start()
        await stop.wait()
    finally:
        await control.stop()


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
