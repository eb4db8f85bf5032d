"""`gatehouse limits`: who has used how much of which limit, right now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from gateway.cli.console import console, duration, print_json, table
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

NOTHING = "No limit is in use at the moment."


@click.command()
@click.option("--route", metavar="NAME", help="Only the limits of this route, and those of every route.")
@click.option("--top", type=click.IntRange(1, 20), default=5, show_default=True, help="So many keys of each limit.")
@state_dir_option
@json_option
def limits(route: str | None, top: int, state_dir: Path | None, as_json: bool) -> None:
    """Show who has used how much of each limit.

    Limits that are in use, the fullest first, each with the keys that have used most of it. A limit without a
    store counts in each worker by itself. Keys that could be secrets are shown as fingerprints.

    \b
    Examples:
      gatehouse limits
      gatehouse limits --route orders-read --json | jq '.limits[].counts[].top[0]'
    """
    target = "/limits" if route is None else f"/limits?route={quote(route, safe='')}"
    found: dict[str, Any] = find(state_dir).admin("GET", target)
    if as_json:
        print_json(found)
        return
    if not found["limits"]:
        click.echo(NOTHING)
        return
    columns = ("LIMIT", "ROUTE", "ALLOWS", "COUNTED", "KEY", "LEFT", "WHOLE AGAIN")
    rows = (row for limit in found["limits"] for row in _rows(limit, top))
    console().print(table(columns, rows, right=("LEFT",)))
    if found["more"]:
        click.echo(f"and {found['more']} more, less used")


def _rows(limit: dict[str, Any], top: int) -> Iterator[tuple[str, ...]]:
    """The limit's own columns stand in its first row only."""
    about = (limit["name"], limit["route"] or "every route", _allows(limit))
    for count in limit["counts"]:
        counted = f"in store {limit['store']}" if limit["store"] else count["worker"]
        for key in count["top"][:top]:
            again = duration(key["reset_seconds"]) if key["reset_seconds"] else "–"
            yield *about, counted, visible(key["key"]), f"{key['left']} of {key['size']}", again
            about, counted = ("", "", ""), ""


def _allows(limit: dict[str, Any]) -> str:
    shadow = "" if limit["enforced"] else ", shadow"
    return f"{limit['terms']} per {limit['key'].lower()}{shadow}"
