"""`gatehouse top`: a live picture of the instance in the terminal.

The problem: whoever works in a terminal should not need a browser to see what happens. The rule: the numbers are the
console's own, asked once a second; nothing is counted here.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, console, print_json
from gateway.cli.instance import Instance, find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.top_picture import LOOKED_AT, gathered, picture

SECONDS = 1.0


@click.command()
@click.option("--once", is_flag=True, help="Print one picture and end.")
@state_dir_option
@json_option
def top(once: bool, state_dir: Path | None, as_json: bool) -> None:
    """Watch requests, refusals, services and alerts, live.

    Rates are those of the last ten seconds, times those of the last minute. Refused are answers 4xx, failed are 5xx.
    Ctrl-C ends it. Without a terminal, and with --json, there is one picture.

    \b
    Examples:
      gatehouse top
      gatehouse top --once
      gatehouse top --json | jq '.routes[] | select(.failing > 0)'
    """
    instance = find(state_dir)
    shown = look(instance)
    if as_json:
        print_json(shown)
    elif once or not console().is_terminal:
        console().print(picture(shown))
    else:
        _watch(instance, shown)


def look(instance: Instance) -> dict[str, Any]:
    """Ask the admin API.

    Raises:
        Failure: it does not answer.
    """
    now = instance.admin("GET", "/now")
    requests = instance.admin("GET", f"/requests?limit={LOOKED_AT}")["requests"]
    return gathered(now, requests, instance.admin("GET", "/certificates")["certificates"])


def _watch(instance: Instance, shown: dict[str, Any]) -> None:
    from rich.live import Live
    from rich.text import Text

    with Live(picture(shown), console=console(), screen=True, auto_refresh=False) as live:
        try:
            while True:
                time.sleep(SECONDS)
                try:
                    live.update(picture(look(instance)), refresh=True)
                except Failure as failure:  # control is restarted, perhaps; the next look may succeed
                    live.update(Text(f"{failure.format_message()}\nAsking again …", style="yellow"), refresh=True)
        except KeyboardInterrupt:
            return
