"""When to stop: a signal, the end of the command in the terminal, or `down`."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable


class StopRequest:
    """Somebody wants us to stop: a signal, the terminal's command is gone, or `down`."""

    def __init__(self, foreground_fd: int | None) -> None:
        self._event = asyncio.Event()
        self.when_repeated: Callable[[], None] = lambda: None
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.signalled)
        if foreground_fd is not None:
            loop.add_reader(foreground_fd, self._terminal_gone, foreground_fd)

    def set(self) -> None:
        """Stop in order."""
        self._event.set()

    def signalled(self) -> None:
        """Stop in order; the second time, without patience."""
        if self._event.is_set():
            self.when_repeated()
        self.set()

    async def wait(self) -> None:
        """Return when it is time to stop."""
        await self._event.wait()

    def _terminal_gone(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        self.set()
