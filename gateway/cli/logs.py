"""`gatehouse logs`: what a process wrote, newest last.

The problem: log lines carry what strangers sent. The rule: a line is read as data (JSON where it is JSON),
and every word of it is made visible before it reaches the terminal. Logs stay after their process ended, for
that is when they are needed.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure
from gateway.cli.instance import find
from gateway.cli.instance import state_dir as directory_of
from gateway.cli.options import state_dir_option
from gateway.cli.text import visible
from gateway.control.log_files import added_lines, last_lines


@click.command()
@click.argument("service")
@click.option("-f", "--follow", is_flag=True, help="Go on printing what is added, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    default=50,
    show_default=True,
    type=click.IntRange(0),
    help="How many lines, from the end.",
)
@click.option("--json", "raw", is_flag=True, help="The lines as they were written (control characters escaped).")
@state_dir_option
def logs(service: str, follow: bool, lines: int, raw: bool, state_dir: Path | None) -> None:
    """Show what a process logged.

    SERVICE is a process by its name in `gatehouse ps`: orders, orders-2, redis, control, gateway-1 … Of a service
    with several copies `orders` is the first; the name of another is that of its log.

    \b
    Examples:
      gatehouse logs orders
      gatehouse logs -f alerts
      gatehouse logs -n 1000 --json gateway-1 | jq .
    """
    path = log_path(state_dir, service)
    show = visible if raw else readable
    found, position = last_lines(path, lines)
    for line in found:
        click.echo(show(line))
    if follow:
        for line in added_lines(path, position, lambda: time.sleep(0.2)):
            click.echo(show(line))


def log_path(option: Path | None, name: str) -> Path:
    """Where the process of that name logs; also after everything has ended.

    Raises:
        Failure: there is no such log.
    """
    folder = directory_of(option) / "logs"
    of_sidecars = folder.parent.glob("data/*/logs/*.log")
    known = {path.stem: path for path in sorted([*folder.glob("*.log"), *of_sidecars])}
    try:
        told = find(option).supervisor({"do": "ps"})["processes"]
        known |= {process["name"]: Path(process["log"]) for process in told if process.get("log")}
    except Failure:
        if not known:
            raise
    known = {process: path for process, path in known.items() if path.is_file()}
    if name not in known and name.endswith("-1"):
        name = name[:-2]
    if name not in known:
        raise Failure(f"There is no log of {name!r} in {folder}.", f"There is: {', '.join(known) or 'none'}")
    return known[name]


def readable(line: str) -> str:
    """A JSON log line as `time LEVEL message key=value …`, a traceback below it; any other line as it is."""
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        return visible(line)
    when = _take(record, "time", "timestamp", "start_time")
    level = f"{_take(record, 'level', 'severity').upper():<7}"
    message = _take(record, "message", "msg", "event")
    below = [f"    {visible(row)}" for row in _take(record, "traceback", "exception").splitlines()]
    rest = [f"{key}={_short(value)}" for key, value in record.items() if value not in (None, "", [], {})]
    return "\n".join([visible("  ".join(part for part in (when, level, message, *rest) if part.strip())), *below])


def _take(record: dict[str, Any], *names: str) -> str:
    return next((str(record.pop(name)) for name in names if name in record), "")


def _short(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
