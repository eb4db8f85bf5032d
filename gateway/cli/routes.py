"""`gatehouse routes`: what the gateway that runs serves, route by route.

The problem: seven columns do not fit into a narrow terminal; names would be broken in the middle. The rule: where
the table does not fit, each route is a paragraph.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli.console import console, print_json, table
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

TABLE_WIDTH = 120
"""Columns that the table needs to break nowhere but between words."""


@click.command()
@state_dir_option
@json_option
def routes(state_dir: Path | None, as_json: bool) -> None:
    """List the routes, with their filters and clusters.

    A route needs one of its matches; of several routes that match, the most specific serves.
    In a match * ends a prefix, ~ stands before a regular expression, and headers are in brackets.

    \b
    Examples:
      gatehouse routes
      gatehouse routes --json | jq '.[] | select(.public) | .name'
    """
    found: list[dict[str, Any]] = find(state_dir).admin("GET", "/routes")["routes"]
    if as_json:
        print_json(found)
        return
    out = console()
    if out.width < TABLE_WIDTH:
        click.echo("\n\n".join(map(_paragraph, found)))
        return
    columns = ("ROUTE", "LISTENER", "MATCHES", "FILTERS", "CLUSTER", "PUBLIC", "LINE")
    out.print(table(columns, map(_row, found)))


def _row(route: dict[str, Any]) -> tuple[str, ...]:
    hosts = f" ({', '.join(route['hostnames'])})" if route["hostnames"] else ""
    return (
        route["name"],
        ", ".join(route["listeners"]) or "all",
        "  or  ".join(route["matches"]) + hosts,
        " → ".join(one["type"] for one in route["filters"]) or "–",
        ", ".join([*map(_share, route["clusters"]), *_canary(route)]) or "–",
        "yes" if route["public"] else "no",
        route["where"],
    )


def _paragraph(route: dict[str, Any]) -> str:
    name, listeners, _, filters, clusters, public, where = _row(route)
    way = filters if clusters == "–" else f"{filters} → {clusters}" if route["filters"] else clusters
    about = f"listener {listeners}{', for everybody' if public == 'yes' else ''}, {where}"
    hosts = [f"for {', '.join(route['hostnames'])}"] if route["hostnames"] else []
    return "\n  ".join(map(visible, (name, *route["matches"], *hosts, way, about)))


def _canary(route: dict[str, Any]) -> list[str]:
    canary = route.get("canary")
    return [f"canary {canary['name']} {canary['weight']} %"] if canary else []


def _share(cluster: dict[str, Any]) -> str:
    return cluster["name"] if cluster["weight"] == 1 else f"{cluster['name']} ×{cluster['weight']}"
