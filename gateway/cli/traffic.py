"""`gatehouse traffic start|stop`: life in the shop, for console and metrics to show."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.console import console
from gateway.cli.hints import command
from gateway.cli.instance import find
from gateway.cli.options import state_dir_option

PROCESS = "traffic"


@click.group()
def traffic() -> None:
    """Gentle, realistic traffic through the gateway.

    A process logs in as the demo users and wanders through the shop, a few requests a second, some of them
    refused, until it is stopped.
    """


@traffic.command()
@state_dir_option
def start(state_dir: Path | None) -> None:
    """Start the traffic.

    \b
    Example:
      gatehouse traffic start
    """
    instance = find(state_dir)
    instance.supervisor({"do": "start", "name": PROCESS})
    out = console()
    out.print("Traffic flows.")
    out.print(f"Watch it: {command(instance.state_dir, 'logs', '-f', PROCESS)}", soft_wrap=True)
    out.print(f"Stop it:  {command(instance.state_dir, 'traffic', 'stop')}", soft_wrap=True)


@traffic.command()
@state_dir_option
def stop(state_dir: Path | None) -> None:
    """Stop the traffic.

    \b
    Example:
      gatehouse traffic stop
    """
    find(state_dir).supervisor({"do": "stop", "name": PROCESS})
    console().print("The traffic has stopped.")
