"""What is printed when an instance is up: what runs where, what is public, what is not defended, what to try.

The problem: a wall of addresses teaches nothing, and a demo that hides its weaknesses teaches the wrong thing.
The rule: one table, then plain words about who can reach what, then commands that work as printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import click

from gateway.cli.console import Failure, console, table
from gateway.cli.hints import command
from gateway.cli.instance import Instance
from gateway.cli.text import visible

NOT_DEFENDED = """\
Not defended: behind the gateway, the services talk plain HTTP and do not know who calls. Any program on
this machine can reach their ports directly, past the gateway's limits, and could pose as a service. (They
do check users' tokens themselves.) `gatehouse up --mesh` gives every service an identity.
This is for teaching, not for production."""

DEFENDED_BY_THE_MESH = """\
Between the services: mutual TLS; each proves its identity and is called only by those whom config/mesh.yaml
lets. A program that goes to a service's own port, past its sidecar, is refused. Redis, the trace collector and
databases are not part of the mesh. This is for teaching, not for production."""

MESH_TRIALS = (
    (("mesh", "status"), "who runs with which identity, and for how long"),
    (("mesh", "policies"), "who may call whom; everybody else is refused"),
)
TRIALS = (
    (("call", "alice", "GET", "/orders/1001"), "alice reads her order, and the way to its trace"),
    (("call", "partner", "POST", "/orders", "-d", "{}"), "refused: a partner may read orders, not write them"),
    (("explain", "GET", "/orders/1001", "--as", "bob"), "what would happen, step by step; nothing is sent"),
    (("scale", "orders", "3"), "three copies of one service; the others do not notice"),
)


def print_shop(instance: Instance, *, own_config: bool) -> None:
    """The shop is up."""
    _print_head("The shop is up", instance)
    _print_processes(_shop_rows(instance))
    click.echo()
    click.echo(f"Public: {instance.public_url}, and of the services only what its routes lead to.")
    click.echo("Internal: all other ports. Everything listens on this machine's loopback only.\n")
    click.echo(DEFENDED_BY_THE_MESH if instance.authority_socket else NOT_DEFENDED)
    print_console_link(instance)
    directory = instance.state_dir
    own = ((("routes",), "what this configuration serves"),)
    trials = [*(own if own_config else TRIALS), *(MESH_TRIALS if instance.authority_socket else ())]
    print_trials((command(directory, *words), why) for words, why in trials)


def print_alone(instance: Instance, rows: Iterable[tuple[str, str]], trials: Iterable[tuple[str, str]]) -> None:
    """The gateway alone is up, in front of somebody's own services; `rows` are paths and where they lead."""
    _print_head("The gateway is up", instance)
    if found := list(rows):
        console().print(table(("PATH", "GOES TO"), found))
        click.echo()
    click.echo(f"Public: {instance.public_url}, on this machine's loopback. What is behind it is as open as before.")
    click.echo("For teaching and development, not for production.")
    print_console_link(instance)
    print_trials(trials)


def _print_head(title: str, instance: Instance) -> None:
    facts = []
    if instance.ready_seconds is not None:
        facts.append(f"ready in {instance.ready_seconds:.1f} s")
    if instance.pss_mib is not None:
        facts.append(f"{instance.pss_mib:.0f} MiB of memory in all")
    click.secho(f"{title}: {', '.join(facts)}.\n", bold=True)


def _shop_rows(instance: Instance) -> Iterator[tuple[str, str, str, str]]:
    from gateway.control.supervisor.manifest import load_manifest
    from gateway.control.supervisor.options import default_manifest

    ports = instance.ports
    yield "gateway", instance.public_url, "public", "the way in: routes, tokens, limits"
    if "internal" in ports:
        yield "gateway", f"http://127.0.0.1:{ports['internal']}", "internal", "routes between services"
    for entry in load_manifest(default_manifest()).services:
        if entry.name in ports:
            reach = "by its routes" if entry.public else "internal"
            yield entry.name, f"http://127.0.0.1:{ports[entry.name]}", reach, entry.about
    if "redis" in ports:
        yield "redis", f"127.0.0.1:{ports['redis']}", "internal", "events; one user per service"
    yield "control", instance.admin_url, "internal", "admin API and console"
    yield "control", instance.collector_url, "internal", "trace collector (OTLP over HTTP)"


def _print_processes(rows: Iterable[tuple[str, str, str, str]]) -> None:
    console().print(table(("PROCESS", "ADDRESS", "FROM OUTSIDE", "WHAT IT IS"), rows))


def print_console_link(instance: Instance) -> None:
    """The console's address with a key that opens it once."""
    try:
        answer: dict[str, Any] = instance.admin("POST", "/console/code")
    except Failure as failure:  # everything else works without the console
        click.echo(f"\nConsole: {instance.admin_url}/ (read only: {visible(failure.message)})")
        return
    again = command(instance.state_dir, "ps")
    click.echo(f"\nConsole: {instance.admin_url}/?key={visible(answer['code'])}")
    click.echo(f"         (the key is good once, for five minutes; a new one: {again})")


def print_trials(trials: Iterable[tuple[str, str]]) -> None:
    """Commands to copy, each under a line that says why."""
    click.echo("\nTry:")
    for line, why in trials:
        click.secho(f"  # {why}", dim=True)
        click.echo(f"  {line}")
