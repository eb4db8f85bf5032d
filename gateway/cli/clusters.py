"""`gatehouse clusters`: the endpoints of each cluster, who of them is well, and how near the thresholds are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, console, print_json, table
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible


@click.command()
@click.argument("name", required=False)
@state_dir_option
@json_option
def clusters(name: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show the endpoints of each cluster, and who of them is well.

    With NAME only those of one cluster. Each worker judges endpoints by its own requests and health checks; why, stands
    below the table. Requests in flight and open connections are sums over the workers; a threshold holds for each.

    \b
    Examples:
      gatehouse clusters
      gatehouse clusters orders --json | jq '.[].endpoints[] | select(.healthy | not)'
    """
    found: list[dict[str, Any]] = find(state_dir).admin("GET", "/clusters")["clusters"]
    if name is not None:
        found = [one for one in found if one["name"] == name]
        if not found:
            raise Failure(f'there is no cluster "{name}"')
    if as_json:
        print_json(found)
        return
    columns = ("CLUSTER", "POLICY", "ENDPOINT", "WEIGHT", "STATE", "REQUESTS", "OPEN")
    rows = (row for cluster in found for row in _rows(cluster))
    console().print(table(columns, rows, right=("WEIGHT", "REQUESTS", "OPEN")))
    for line in (line for cluster in found for line in _notes(cluster)):
        click.echo(visible(line))


def _rows(cluster: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The cluster's own columns stand in its first row only."""
    about = (cluster["name"], cluster["load_balancing"])
    if not cluster["endpoints"]:
        yield *about, "none", "", "", "", ""
    for one in cluster["endpoints"]:
        numbers = (str(one.get("active", "?")), str(one.get("open", "?")))
        yield *about, visible(one["address"]), str(one.get("weight", "")), visible(_state(one)), *numbers
        about = ("", "")


def _state(endpoint: dict[str, Any]) -> str:
    """Each state that a worker sees it in, if it is not healthy for all of them."""
    if "healthy" not in endpoint:
        return "not reported"
    states = dict.fromkeys(one["state"] for one in endpoint.get("states", ()))
    return ", ".join(states) or "healthy"


def _notes(cluster: dict[str, Any]) -> Iterator[str]:
    """What is out of the ordinary, below the table."""
    for endpoint in cluster["endpoints"]:
        for one in endpoint.get("states", ()):
            yield f"{cluster['name']}: {endpoint['address']} {one['state']} in {one['worker']}: {one['why']}"
    for name, one in cluster["thresholds"].items():
        if one["open"]:
            yield f"{cluster['name']}: {name} at the threshold of {one['most']} in {', '.join(one['open'])}"
    if cluster["panicking"]:
        yield f"{cluster['name']}: too few healthy endpoints, so all are used in {', '.join(cluster['panicking'])}"
    if cluster["pending"]:
        yield f"{cluster['name']}: {cluster['pending']} waiting for a connection"
