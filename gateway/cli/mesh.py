"""`gatehouse mesh`: who is in the mesh, who may call whom, who is shut out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway.cli.authority import ask_authority
from gateway.cli.console import Failure, Misuse, console, duration, print_json, table
from gateway.cli.instance import find
from gateway.cli.mesh_check import check
from gateway.cli.mesh_traffic import explain, topology
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible
from gateway.mesh.identity import identity_of, service_of


@click.group()
def mesh() -> None:
    """See who is in the mesh, who may call whom; shut a service out.

    For an instance that was started with `gatehouse up --mesh`.
    """


mesh.add_command(check)
mesh.add_command(topology)
mesh.add_command(explain)


@mesh.command()
@state_dir_option
@json_option
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show every sidecar: its identity, what it serves, how long its certificate is good.

    VERSION is what the sidecar serves; where that is not what the file says, it is drift, and the reason stands
    below. A sidecar without a line to control serves on with what it has.

    \b
    Examples:
      gatehouse mesh status
      gatehouse mesh status --json | jq '.sidecars[].certificate_expires'
    """
    found: dict[str, Any] = find(state_dir).admin("GET", "/mesh")
    if as_json:
        print_json(found)
        return
    served = "served by all" if found["ready"] else "not yet served by all"
    click.echo(f"{found['file']}: version {found['version']}, {served}.")
    columns = ("SIDECAR", "IDENTITY", "ADDRESS", "LINE", "VERSION", "CERTIFICATE")
    console().print(table(columns, (_row(one, found["version"]) for one in found["sidecars"])))
    for line in (*found["errors"], *(f"{one['name']}: {one['error']}" for one in found["sidecars"] if one["error"])):
        click.secho(visible(line), fg="red")


def _row(one: dict[str, Any], wanted: int) -> tuple[str, ...]:
    version = "–" if one["version"] is None else str(one["version"])
    if one["version"] not in (wanted, None):
        version += f" (drift: {wanted} wanted)"
    expires = one["certificate_expires"]
    return one["name"], one["identity"], one["address"], "up" if one["connected"] else "down", version, _left(expires)


def _left(expires: float | None) -> str:
    if expires is None:
        return "–"
    seconds = expires - time.time()
    return f"good for {duration(seconds)}" if seconds > 0 else "EXPIRED"


@mesh.command()
@click.argument("service", required=False)
@state_dir_option
@json_option
def policies(service: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Show who may call whom, as the sidecars have it.

    What is not listed is refused: a service that says nothing is called by nobody.

    \b
    Examples:
      gatehouse mesh policies
      gatehouse mesh policies orders
    """
    instance = find(state_dir)
    services = instance.admin("GET", "/mesh")["services"]
    if service is not None and service not in services:
        raise Misuse(f"No service {visible(service)!r} in the mesh; there are: {', '.join(services)}.")
    specs = {name: instance.admin("GET", f"/mesh/specs/{name}") for name in ([service] if service else services)}
    rows = [row for name, spec in specs.items() for row in _rules(name, spec)]
    if as_json:
        names = ("service", "effect", "rule", "who", "what", "where")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    console().print(table(("SERVICE", "EFFECT", "RULE", "WHO", "WHAT", "LINE"), rows))


def _rules(name: str, spec: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for one in spec["routes"][0]["filters"]:
        if one["type"] != "AuthorizationPolicy":
            continue
        shadow = "" if one["enforced"] else " (shadow)"
        for effect in ("deny", "allow"):
            for rule in one[effect]:
                who = ", ".join(service_of(principal) or principal for principal in rule["principals"]) or "anybody"
                what = f"{', '.join(rule['methods']) or 'any method'} {', '.join(rule['paths']) or 'any path'}"
                who = "nobody" if who.endswith("nobody-is-allowed") else who
                yield name, effect + shadow, rule["name"], who, what, one["where"]


@mesh.command()
@state_dir_option
@json_option
def certificates(state_dir: Path | None, as_json: bool) -> None:
    """List the certificates that are out, and how often somebody asked for one and got none.

    \b
    Examples:
      gatehouse mesh certificates
    """
    found = ask_authority(find(state_dir), {"do": "list"})
    if as_json:
        print_json(found)
        return
    rows = (
        (one["serial"][:16], one["identity"], _state(one), duration(one["expires"] - time.time()))
        for one in found["certificates"]
    )
    console().print(table(("SERIAL", "IDENTITY", "STATE", "LEFT"), rows))
    for one in found["results"]:
        if one["result"] != "granted":
            click.echo(f"{one['asked']}: refused {one['count']} times, {one['result']}")
    if found["barred"]:
        click.secho(f"Shut out: {', '.join(found['barred'])}", fg="red")


def _state(one: dict[str, Any]) -> str:
    return "revoked" if one["revoked"] else "renewed since" if one["superseded"] else "in use"


@mesh.command()
@click.argument("service")
@state_dir_option
def revoke(service: str, state_dir: Path | None) -> None:
    """Shut a service out: its certificates end now, its connections break, it gets no other.

    \b
    Examples:
      gatehouse mesh revoke orders
      gatehouse mesh allow orders
    """
    answer = ask_authority(find(state_dir), {"do": "revoke", "identity": identity_of(service)})
    click.echo(f"{visible(service)} is shut out: {answer['revoked']} certificates revoked.")
    click.echo(f"gatehouse mesh allow {visible(service)} lets it in again.")


@mesh.command()
@click.argument("service")
@state_dir_option
def allow(service: str, state_dir: Path | None) -> None:
    """Let a service that was shut out in again: its sidecar starts anew, with a new identity.

    \b
    Examples:
      gatehouse mesh allow orders
    """
    instance = find(state_dir)
    ask_authority(instance, {"do": "allow", "identity": identity_of(service)})
    try:
        instance.supervisor({"do": "restart", "name": f"{service}-sidecar"})
    except Failure as failure:
        raise Failure(f"{visible(service)} may come back, but its sidecar did not: {failure.message}") from None
    click.echo(f"{visible(service)} is in the mesh again.")


@mesh.command("rotate-root")
@state_dir_option
def rotate_root(state_dir: Path | None) -> None:
    """Make a new root of all identities; everybody renews, and no request fails.

    Both roots are believed until the last workload has a certificate of the new one.

    \b
    Examples:
      gatehouse mesh rotate-root
    """
    instance = find(state_dir)
    instance.supervisor({"do": "rotate-root"})
    deadline = time.monotonic() + 60
    while ask_authority(instance, {"do": "list"})["changing_root"]:
        if time.monotonic() > deadline:
            raise Failure("The new root is in use, and the former is still believed: a workload has not renewed yet.")
        time.sleep(0.1)
    click.echo("Everybody has a certificate of the new root; the former is believed no longer.")
