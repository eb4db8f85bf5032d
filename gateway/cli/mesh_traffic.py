"""`gatehouse mesh topology` and `gatehouse mesh explain`: who calls whom, and who would be let in."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, Misuse, console, duration, print_json, table
from gateway.cli.explanation import print_explanation
from gateway.cli.instance import Instance, find, problem_text
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

EDGES = ("SOURCE", "DESTINATION", "REQUESTS/S", "REFUSED", "FAILED", "P95", "ENCRYPTED")


@click.command()
@state_dir_option
@json_option
def topology(state_dir: Path | None, as_json: bool) -> None:
    """Show who called whom within the last minute, and who was refused.

    REFUSED are answers of 400 to 499, FAILED those of 500 and more; ENCRYPTED is the share of requests that nobody on
    the way could read.

    \b
    Examples:
      gatehouse mesh topology
      gatehouse mesh topology --json | jq '.edges[] | select(.encrypted < 1)'
    """
    found: dict[str, Any] = find(state_dir).admin("GET", "/mesh/topology")
    if as_json:
        print_json(found)
        return
    if found["edges"]:
        console().print(table(EDGES, map(_edge, found["edges"])))
    else:
        click.echo("Nobody has called anybody within the last minute. Try: gatehouse traffic start")
    for line in (*map(_denied, found["denials"]), *_turned_away(found), *_past_the_sidecar(found), *_expiring(found)):
        click.echo(visible(line))


def _edge(one: dict[str, Any]) -> tuple[str, ...]:
    p95 = "–" if one["p95_ms"] is None else f"{one['p95_ms']:.1f} ms"
    rate = f"{one['requests_per_second']:.1f}"
    counts = (f"{one['refused']:.0f}", f"{one['failed']:.0f}")
    return one["source"], one["destination"], rate, *counts, p95, f"{one['encrypted']:.0%}"


def _denied(one: dict[str, Any]) -> str:
    who = f"{one['source']} at {one['destination']}"
    return f"refused: {who}, {one['count']:.0f} times, {one['reason']} by {one['policy']}"


def _turned_away(found: dict[str, Any]) -> list[str]:
    return [
        f"turned away: connections to {node['name']}, {count:.0f} times, {reason}"
        for node in found["nodes"]
        for reason, count in node["turned_away"].items()
    ]


def _past_the_sidecar(found: dict[str, Any]) -> list[str]:
    """What only the destination counted did not come through the source's own sidecar.

    The gateway's own questions (for keys, for example) are no requests of its clients, so it does not count them.
    """
    return [
        f"strange: {one['destination']} was called by {one['source']}, which knows nothing of it"
        for one in found["edges"]
        if one["source"] not in ("clients", "gateway") and not one["seen_by"]["source"]
    ]


def _expiring(found: dict[str, Any]) -> list[str]:
    left = ((node["name"], node["certificate_expires"]) for node in found["nodes"])
    soon = ((name, expires - time.time()) for name, expires in left if expires is not None)
    return [
        f"{name}: the certificate is good for {duration(max(0.0, seconds))}" for name, seconds in soon if seconds < 60
    ]


@click.command()
@click.argument("source")
@click.argument("destination")
@click.argument("method")
@click.argument("path")
@state_dir_option
@json_option
def explain(source: str, destination: str, method: str, path: str, state_dir: Path | None, as_json: bool) -> None:
    """Ask the sidecar of DESTINATION what it would say to a request of SOURCE; nothing is sent.

    SOURCE is a service, or `gateway`. Exit code 1 when it would be refused.

    \b
    Examples:
      gatehouse mesh explain storefront orders GET /orders/1
      gatehouse mesh explain profiles orders GET /orders
    """
    question = {"source": source, "destination": destination, "method": method, "url": path}
    answer = _ask(find(state_dir), question)
    if as_json:
        print_json(answer)
    else:
        print_explanation(answer, source, f"SIDECAR of {destination}")
    if answer.get("outcome") in ("deny", "no_route"):
        raise click.exceptions.Exit(Failure.exit_code)


def _ask(instance: Instance, question: dict[str, Any]) -> dict[str, Any]:
    told = instance.admin_answer("POST", "/mesh/explain", question)
    if told.status == 422:
        raise Misuse(problem_text(told))
    if not told.ok:
        raise Failure(problem_text(told))
    answer: dict[str, Any] = told.json()
    return answer
