"""What is printed when an instance is up: what runs where, what is public, what is not defended, what to try.

The problem: a wall of addresses teaches nothing, and a demo that hides its weaknesses teaches the wrong thing.
The rule: one table, then plain words about who can reach what, then commands that work as printed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from gateway.cli import isolation
from gateway.cli.console import Failure, console, table
from gateway.cli.hints import command
from gateway.cli.instance import Instance
from gateway.cli.text import visible

if TYPE_CHECKING:
    from gateway.control.supervisor.architecture import Architecture
    from gateway.control.supervisor.manifest import ServiceEntry

DEFENCES = {
    "monolith": """\
Defended: tokens are checked, and who may read what.
Not defended: no gateway limits requests, sizes or guesses at passwords; /metrics and the probes answer on the public
port. Whoever takes over one module has all of them: their memory, their one database, their one account in Redis.
This is for teaching, not for production.""",
    "flat": """\
Defended: each service checks tokens, and who may read what; each has its own process, database and account in Redis.
Not defended: what stands in front finds the way and decides nothing. Every operation of every service is reachable from
outside, also those meant for other services; nothing is limited. Between the services: plain HTTP, no identities.
This is for teaching, not for production.""",
    "gateway": """\
Defended: at the gateway, as far as its routes say: which operations are open at all, tokens, scopes, limits, bodies.
Not defended: behind the gateway, the services talk plain HTTP and do not know who calls. Any program on
this machine can reach their ports directly, past the gateway's limits, and could pose as a service. (They
do check users' tokens themselves.) `gatehouse up --mesh` gives every service an identity.
Attacks of the lab that only the mesh stops: rogue-service, compromised-service, eavesdropping.
This is for teaching, not for production.""",
    "mesh": """\
Defended: all that the gateway defends. Between the services: mutual TLS; each proves its identity and is called only
by those whom config/mesh.yaml lets. A program that goes to a service's own port, past its sidecar, is refused.
Not defended: Redis, the trace collector and databases are not part of the mesh.
This is for teaching, not for production.""",
}
"""By architecture: what holds, and what does not."""

PUBLIC = {
    "monolith": ", the monolith itself",
    "flat": ", and by it every path of every service",
    "gateway": ", and of the services only what its routes lead to",
    "mesh": ", and of the services only what its routes lead to",
}
WAY_IN = {"flat": "finds the way by path; no policy"}
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
    title = "The shop is up" if instance.architecture == "gateway" else f"The shop is up ({instance.architecture})"
    _print_head(title, instance)
    _print_processes(_shop_rows(instance))
    click.echo()
    click.echo(f"Public: {instance.public_url}{PUBLIC[instance.architecture]}.")
    click.echo("Internal: all other ports. Everything listens on this machine's loopback only.")
    for sentence in isolation.sentences(instance.supervisor({"do": "ps"})["processes"]):
        click.echo(visible(sentence))
    click.echo()
    click.echo(DEFENCES[instance.architecture])
    print_console_link(instance)
    directory = instance.state_dir
    own = ((("routes",), "what this configuration serves"),)
    explain = TRIALS if instance.architecture in ("gateway", "mesh") else TRIALS[:-1]  # where something decides
    trials = [*(own if own_config else explain), *(MESH_TRIALS if instance.authority_socket else ())]
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
    from gateway.control.supervisor.architecture import ARCHITECTURES, arranged
    from gateway.control.supervisor.manifest import load_manifest
    from gateway.control.supervisor.options import default_manifest

    ports, architecture = instance.ports, ARCHITECTURES[instance.architecture]
    if architecture.gateway:
        yield (
            "gateway",
            instance.public_url,
            "public",
            WAY_IN.get(architecture.name, "the way in: routes, tokens, limits"),
        )
    if "internal" in ports:
        yield "gateway", f"http://127.0.0.1:{ports['internal']}", "internal", "routes between services"
    if "to-payments" in ports:
        yield (
            "egress",
            f"http://127.0.0.1:{ports['to-payments']}",
            "internal",
            "the way out to payments, and back only what was agreed",
        )
    for entry in arranged(load_manifest(default_manifest()), architecture).services:
        if entry.name in ports:
            yield entry.name, f"http://127.0.0.1:{ports[entry.name]}", _reach(entry, architecture), entry.about
    if "redis" in ports:
        yield "redis", f"127.0.0.1:{ports['redis']}", "internal", "events; one user per service"
    if "prometheus" in ports:
        yield "prometheus", f"http://127.0.0.1:{ports['prometheus']}", "internal", "history of all numbers, alerts"
    yield "control", instance.admin_url, "internal", "admin API and console"
    yield "control", instance.collector_url, "internal", "trace collector (OTLP over HTTP)"


def _reach(entry: ServiceEntry, architecture: Architecture) -> str:
    """How far strangers come."""
    if entry.outside:
        return "third party"
    if architecture.name == "flat" and entry.sidecar:
        return "all of it"
    by_way = "by the monolith" if architecture.monolith else "by its routes"
    return "public" if entry.modules else by_way if entry.public else "internal"


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
