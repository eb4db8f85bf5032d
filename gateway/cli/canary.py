"""`gatehouse canary`: how canaries do, and changes by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from gateway.cli.console import Misuse, console, print_json, table
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

NOTHING = "No route has a canary."


@click.command()
@click.argument("route", required=False)
@click.option("--weight", type=click.IntRange(0, 100), metavar="PERCENT", help="Give it so much of the traffic.")
@click.option("--promote", "do", flag_value="promote", help="Give it all traffic, and judge it no more.")
@click.option("--rollback", "do", flag_value="rollback", help="Give it nothing, not even what asks for it.")
@click.option("--resume", "do", flag_value="resume", help="As it was before the roll-back or the promotion.")
@state_dir_option
@json_option
def canary(route: str | None, weight: int | None, do: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show how canaries do, or change what one gets.

    Numbers are those of the latest window: the canary's, a slash, the stable side's. A change holds until the
    next one, over restarts, or until the route's canary block in the configuration says something else.

    \b
    Examples:
      gatehouse canary
      gatehouse canary orders --weight 25
      gatehouse canary orders --promote
    """
    change = _change(route, weight, do)
    instance = find(state_dir)
    found: list[dict[str, Any]]
    if change:
        found = [instance.admin("POST", f"/canaries/{quote(route or '', safe='')}", change)]
    else:
        found = [one for one in instance.admin("GET", "/canaries")["canaries"] if route in (None, one["route"])]
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo(NOTHING if route is None else f"Route {visible(route)} has no canary.")
        return
    columns = ("ROUTE", "CANARY", "WEIGHT", "STATE", "REQUESTS", "FAILED", "QUANTILE", "WINDOW")
    console().print(table(columns, map(_row, found), right=("WEIGHT", "REQUESTS", "FAILED")))
    for line in _reasons(found):
        click.echo(visible(line))


def _change(route: str | None, weight: int | None, do: str | None) -> dict[str, Any] | None:
    if weight is not None and do is not None:
        raise Misuse("One change at a time: --weight, --promote, --rollback or --resume.")
    if weight is None and do is None:
        return None
    if route is None:
        raise Misuse("Which route? gatehouse canary ROUTE …")
    return {"do": "weight", "weight": weight} if do is None else {"do": do}


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    mine, others = one["canary"], one["stable"]
    return (
        one["route"],
        one["cluster"],
        f"{one['weight']} %",
        one["state"],
        f"{mine['requests']} / {others['requests']}",
        f"{_percent(mine)} / {_percent(others)}",
        f"p{one['quantile'] * 100:g} {_ms(mine)} / {_ms(others)}",
        f"{one['window_seconds']:g} s",
    )


def _percent(side: dict[str, Any]) -> str:
    return f"{side['error_ratio'] * 100:.3g} %" if side["requests"] else "–"


def _ms(side: dict[str, Any]) -> str:
    return "–" if side["quantile_ms"] is None else f"{side['quantile_ms']:g} ms"


def _reasons(found: list[dict[str, Any]]) -> Iterator[str]:
    """Why a canary does not get what the file says, or once did not."""
    for one in found:
        if one["why"]:
            when = datetime.fromtimestamp(one["since"], UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            yield f"{one['route']}: {one['state'].replace('_', ' ')} since {when}: {one['why']}"
