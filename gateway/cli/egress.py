"""`gatehouse egress`: the third parties that services call, and the switch that shuts one out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from gateway.cli.console import console, duration, print_json, table
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

COLUMNS = ("THIRD PARTY", "STATE", "CALLS", "NOT LET THROUGH", "WAY OUT")


@click.group()
def egress() -> None:
    """See which third parties services call, and shut one out.

    What may be asked of each, and what may come back, stands in the configuration: docs/egress.md.
    """


@egress.command()
@state_dir_option
@json_option
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show each third party: how often it was called, and what was not let out or in.

    \b
    Examples:
      gatehouse egress status
      gatehouse egress status --json | jq '.third_parties[].refused'
    """
    found: list[dict[str, Any]] = find(state_dir).admin("GET", "/egress")["third_parties"]
    if as_json:
        print_json({"third_parties": found})
    elif found:
        _show(found)
    else:
        click.echo("No third party is called through the egress gateway: no listener says `egress` (docs/egress.md).")


@egress.command()
@click.argument("third_party")
@click.option("--why", default="", metavar="TEXT", help="For people; shown wherever the quarantine is.")
@state_dir_option
def quarantine(third_party: str, why: str, state_dir: Path | None) -> None:
    """Let nothing out to a third party, and nothing of it in, from now on; nothing is restarted.

    Calls to it get 503 egress_quarantined, and so do its webhooks, which it will send again. It stays so over restarts
    until `gatehouse egress release`. What was under way ends within the time that its route gives it.

    \b
    Examples:
      gatehouse egress quarantine payments --why "odd answers since 14:00"
      gatehouse egress release payments
    """
    _change(third_party, {"do": "quarantine", "why": why}, state_dir)


@egress.command()
@click.argument("third_party")
@state_dir_option
def release(third_party: str, state_dir: Path | None) -> None:
    """Let a third party be called again, and send.

    \b
    Examples:
      gatehouse egress release payments
    """
    _change(third_party, {"do": "release"}, state_dir)


def _change(third_party: str, change: dict[str, str], state_dir: Path | None) -> None:
    _show([find(state_dir).admin("POST", f"/egress/{quote(third_party, safe='')}", change)])


def _show(found: list[dict[str, Any]]) -> None:
    console().print(table(COLUMNS, map(_row, found), right=("CALLS", "NOT LET THROUGH")))
    for line in (line for one in found for line in _words(one)):
        click.echo(visible(line))


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    state = "QUARANTINE" if one["quarantine"] else "open"
    return one["name"], state, f"{one['calls']:.0f}", f"{sum(one['refused'].values()):.0f}", one["listener"] or "–"


def _words(one: dict[str, Any]) -> Iterator[str]:
    name, shut = one["name"], one["quarantine"]
    if shut:
        why = f": {shut['why']}" if shut["why"] else ""
        yield f"{name}: in quarantine for {duration(time.time() - shut['since'])}{why}"
    for reason, count in sorted(one["refused"].items()):
        yield f"{name}: {reason}, {count:.0f} times"
