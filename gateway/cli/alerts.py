"""`gatehouse alerts`: what fires, if anybody looks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, console, duration, print_json, table
from gateway.cli.instance import Instance, find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

COLUMNS = ("ALERT", "STATE", "SEVERITY", "FOR", "WHAT")


@click.command()
@state_dir_option
@json_option
def alerts(state_dir: Path | None, as_json: bool) -> None:
    """Show the alerts that fire, and those that are about to.

    They are evaluated by Prometheus, which runs with `gatehouse up --prometheus`; without it nobody looks, and this
    command says so, with exit code 1. Alerts with the word (class room) look at short windows: see them in a lesson, do
    not take them home.

    \b
    Examples:
      gatehouse alerts
      gatehouse alerts --json | jq '.alerts[] | select(.state == "firing")'
    """
    found = find(state_dir).admin("GET", "/alerts")
    if as_json:
        print_json(found)
    elif found["alerts"]:
        console().print(table(COLUMNS, rows(found["alerts"], datetime.now(UTC))))
    else:
        click.echo(visible(sentence(found)))
    if not found["evaluated"]:
        raise click.exceptions.Exit(1)


def sentence(found: dict[str, Any]) -> str:
    """In one line: how many, or that nobody evaluates them."""
    if not found["evaluated"]:
        return f"No alerts are evaluated: {found['why']}."
    firing = [one for one in found["alerts"] if one["state"] == "firing"]
    if not firing:
        return f"No alert fires. Prometheus: {found['url']}/alerts"
    return f"{len(firing)} alert{'s' if len(firing) > 1 else ''} firing: gatehouse alerts, or {found['url']}/alerts"


def sentence_of(instance: Instance) -> str:
    """The same of a running instance, even if its control process is away."""
    try:
        return sentence(instance.admin("GET", "/alerts"))
    except Failure as failure:  # everything else that is asked for is shown all the same
        return f"Alerts: {failure.message}"


def rows(found: list[dict[str, Any]], now: datetime) -> Iterator[tuple[str, ...]]:
    """One for each alert."""
    for one in found:
        lasting = (now - datetime.fromisoformat(one["since"])).total_seconds()
        classroom = " (class room)" if one["variant"] == "classroom" and "Classroom" not in one["name"] else ""
        yield visible(one["name"]) + classroom, one["state"], one["severity"], duration(max(lasting, 0)), one["summary"]
