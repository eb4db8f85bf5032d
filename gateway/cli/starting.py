"""Start an instance from the terminal, show how it goes, and stay with it until it ends.

The problem: nine processes start at once, and whoever waits wants to see which one is slow. The rule: the
supervisor tells its progress as events; a terminal shows them as a list that fills, a pipe gets one line each.
Ctrl-C reaches the supervisor by itself; here it must only not cut the good-bye short.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.console import Failure, Misuse, console
from gateway.cli.instance import Instance, find
from gateway.cli.text import visible
from gateway.control.supervisor import launch
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.options import Options

if TYPE_CHECKING:
    from rich.table import Table


class Progress:
    """What is starting, and what is ready; used as a context manager around the waiting."""

    def __init__(self) -> None:
        from rich.live import Live

        self._out = console(stderr=True)
        self._states: dict[str, str] = {}
        self._live = Live(get_renderable=self._table, console=self._out, refresh_per_second=10, transient=True)

    def __enter__(self) -> Progress:
        if self._out.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, event: dict[str, Any]) -> None:
        """Take up one event of the supervisor."""
        match event:
            case {"event": "starting", "processes": names}:
                self._states = dict.fromkeys(names, "starting")
            case {"event": "ready", "name": name, "seconds": seconds}:
                self._states[name] = f"ready after {seconds:.2f} s"
                self._line(f"{name} is ready after {seconds:.2f} s")
            case {"event": "ended", "name": name, "reason": reason}:
                self._states[name] = f"ended: {reason}"
                self._line(f"{name} ended: {reason}")
            case {"event": "note", "text": text}:
                self._out.print(f"Note: {visible(text)}", soft_wrap=True)

    def _line(self, text: str) -> None:
        if not self._out.is_terminal:
            self._out.print(visible(text), soft_wrap=True)

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2, 0, 0))
        for name, state in self._states.items():
            ready = state.startswith("ready")
            style = "green" if ready else "yellow" if state == "starting" else "red"
            grid.add_row(Text("✓" if ready else "…", style), visible(name), Text(visible(state), style))
        return grid


def run_instance(options: Options, *, detach: bool, when_up: Callable[[Instance], None]) -> None:
    """Start, call `when_up`, and (unless detached) stay until it has stopped.

    Raises:
        Failure, Misuse: it could not be started, and why; nothing of it is left running.
    """
    launched = launch.start(options, detach=detach)
    try:
        _wait_until_up(launched)
        when_up(find(Path(options.state_dir)))
        if not detach:
            click.echo("\nCtrl-C stops everything.")
            launched.follow(tell)
    finally:
        launched.close()


def _wait_until_up(launched: launch.Launch) -> None:
    try:
        with Progress() as progress:
            launched.until_up(progress.show)
    except CannotStart as error:
        raise (Misuse if error.exit_code == Misuse.exit_code else Failure)(str(error)) from None
    except KeyboardInterrupt:
        launched.follow(tell)
        raise Failure("Stopped before it was ready.") from None


def tell(event: dict[str, Any]) -> None:
    """Say in a line what happens to an instance that is up."""
    now = time.strftime("%H:%M:%S")
    match event:
        case {"event": "ended", "name": name, "reason": reason}:
            click.echo(visible(f"{now} {name} ended ({reason}); it is started again"))
        case {"event": "ready", "name": name}:
            click.echo(visible(f"{now} {name} is ready"))
        case {"event": "took_over", "processes": number}:
            click.echo(f"{now} the supervisor was killed; another took over, and all {number} processes went on")
        case {"event": "stopping"}:
            click.echo("\nStopping …")
        case {"event": "stopped", **rest} if "name" not in rest:  # with a name: one process of them
            click.echo("Everything is stopped.")
