"""Start a supervisor from another program, and hear how it goes.

    launched = launch.start(Options(state_dir=…, manifest=…), detach=False)
    instance = launched.until_up(show)   # show(event) is called with each event; CannotStart if it fails
    code = launched.follow(show)         # attached only: until it has stopped

Events are dicts: checking · note(text) · starting(processes) · started(name, pid) · ready(name, seconds) ·
ended(name, reason, restart_in_s) · stopped(name) · up(instance) · failed(reason, exit_code) · stopping · stopped ·
took_over(pid, processes): the supervisor was killed, and another goes on with what runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.control.supervisor.alive import is_alive
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.program import python_module

Show = Callable[[dict[str, Any]], None]


class Launch:
    """A supervisor that we started."""

    def __init__(self, process: subprocess.Popen[bytes], events_fd: int, lifeline_fd: int | None) -> None:
        self.process = process
        self._events = os.fdopen(events_fd, "rb")
        self._lifeline_fd = lifeline_fd

    def until_up(self, show: Show) -> dict[str, Any]:
        """Wait until everything is ready; what instance.json says, without its secret.

        Raises:
            CannotStart: it failed; everything it had started is stopped.
        """
        for line in self._events:
            event = json.loads(line)
            show(event)
            if event["event"] == "up":
                return dict(event["instance"])
            if event["event"] == "failed":
                self.process.wait()
                raise CannotStart(event["reason"], event["exit_code"])
        code = self.process.wait()
        raise CannotStart(f"the supervisor ended before everything was ready (exit code {code})", exit_code=1)

    def follow(self, show: Show) -> int:
        """Show events until the supervisor has ended; its exit code, or that of its successor.

        Ctrl-C reaches the supervisor by itself (same terminal): here it only must not cut the waiting short. A
        successor of a killed one (see handover) stands outside our terminal; closing its lifeline stops it.
        """
        last: dict[str, Any] = {}
        successor = None
        while True:
            try:
                for line in self._events:
                    last = json.loads(line)
                    successor = last["pid"] if last["event"] == "took_over" else successor
                    show(last)
                break
            except KeyboardInterrupt:
                if self.process.poll() is not None:
                    self._let_go()
        code = self.process.wait()
        if successor is None:
            return code
        _wait_until_gone(successor)
        return 0 if last["event"] == "stopped" else 1

    def stop(self) -> None:
        """Ask it to stop in order."""
        self.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Close our pipes; an attached supervisor stops then, a detached one goes on."""
        self._events.close()
        self._let_go()

    def _let_go(self) -> None:
        if self._lifeline_fd is not None:
            os.close(self._lifeline_fd)
            self._lifeline_fd = None


def _wait_until_gone(pid: int, seconds: float = 5.0) -> None:
    """Of a process that is not our child: its pipe ends an instant before it does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and is_alive(pid):
        time.sleep(0.01)


def start(options: Options, *, detach: bool) -> Launch:
    """Start the supervisor; detached it survives this process, attached it stops when this process ends."""
    settings_read, settings_write = os.pipe()
    events_read, events_write = os.pipe()
    lifeline_read, lifeline_write = (None, None) if detach else os.pipe()
    told = dataclasses.replace(
        options.absolute(),
        events_fd=events_write,
        foreground_fd=lifeline_read,
        started=options.started or time.time(),
    )
    inherited = [fd for fd in (settings_read, events_write, lifeline_read) if fd is not None]
    process = subprocess.Popen(  # noqa: S603
        [*python_module("gateway.control.supervisor"), "--settings-fd", str(settings_read)],
        pass_fds=inherited, stdin=subprocess.DEVNULL, cwd=Path("/"), start_new_session=detach,
    )  # fmt: skip
    for fd in inherited:
        os.close(fd)
    with os.fdopen(settings_write, "wb") as pipe:
        pipe.write(told.dump())
    return Launch(process, events_read, lifeline_write)
