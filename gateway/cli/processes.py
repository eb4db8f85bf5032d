"""`gatehouse ps`, `restart`, `stop`, `start`, `down`: the processes, through their supervisor.

The problem: a process stopped behind its supervisor's back is restarted at once. The rule: these commands
never signal a process themselves; they ask the supervisor, over a socket that only this user can open.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway.cli import isolation
from gateway.cli.alerts import sentence_of
from gateway.cli.console import Failure, console, duration, mebibytes, print_json, table
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.summary import print_console_link
from gateway.cli.text import visible
from gateway.control.supervisor.alive import is_alive

DOWN_WITHIN = 20.0
"""Seconds that an orderly stop of everything may take."""


@click.command()
@state_dir_option
@json_option
def ps(state_dir: Path | None, as_json: bool) -> None:
    """List the processes that run.

    Memory is the proportional share (PSS) where the platform tells it, else the resident size.
    Isolation is what each process says that the operating system enforces on it; none: it is not meant to be confined.

    \b
    Examples:
      gatehouse ps
      gatehouse ps --json
    """
    instance = find(state_dir)
    processes = instance.supervisor({"do": "ps"})["processes"]
    if as_json:
        print_json(processes)
        return
    console().print(f"Architecture: {visible(instance.architecture)}\n")
    columns = ("PROCESS", "KIND", "VERSION", "PID", "STATE", "RESTARTS", "UPTIME", "MEMORY", "PORT", "ISOLATION")
    console().print(table(columns, map(_row, processes), right=("PID", "RESTARTS", "UPTIME", "MEMORY", "PORT")))
    click.echo(f"\n{_sum(processes, instance.ready_seconds)}")
    for sentence in isolation.sentences(processes):
        click.echo(visible(sentence))
    click.echo(visible(sentence_of(instance)))
    print_console_link(instance)


def _sum(processes: list[dict[str, Any]], ready_seconds: float | None) -> str:
    running = [one for one in processes if one["state"] == "running"]
    memory = mebibytes(sum(_memory(one) or 0 for one in running))
    ready = "" if ready_seconds is None else f"; it was ready in {duration(ready_seconds)}"
    return f"{len(running)} processes run, with {memory} in all{ready}."


def _memory(process: dict[str, Any]) -> float | None:
    proportional: float | None = process.get("pss_bytes")
    return process.get("rss_bytes") if proportional is None else proportional


def _row(process: dict[str, Any]) -> tuple[object, ...]:
    running = process["state"] == "running"
    return (
        process["name"],
        process["kind"],
        process.get("version") or "–",
        process.get("pid") or "–",
        process["state"],
        process.get("restarts", 0),
        duration(process.get("uptime_s") or 0) if running else "–",
        mebibytes(_memory(process)) if running else "–",
        process.get("port") or "–",
        isolation.word(process),
    )


@click.command()
@click.argument("service")
@state_dir_option
def restart(service: str, state_dir: Path | None) -> None:
    """Restart one process; the others do not notice.

    SERVICE is its name in `gatehouse ps`; `gateway` means all workers, and a service all its copies, one after the
    other: a copy that others can stand in for gets no requests meanwhile. `orders-1` is the first of them alone.

    \b
    Examples:
      gatehouse restart orders
      gatehouse restart gateway
    """
    _change("restart", service, state_dir)


@click.command()
@click.argument("service")
@state_dir_option
def stop(service: str, state_dir: Path | None) -> None:
    """Stop one process until it is started again.

    \b
    Example, to see the gateway answer 503 with its reason:
      gatehouse stop orders && gatehouse call alice GET /orders
    """
    _change("stop", service, state_dir)


@click.command()
@click.argument("service")
@state_dir_option
def start(service: str, state_dir: Path | None) -> None:
    """Start a process that was stopped.

    \b
    Example:
      gatehouse start orders
    """
    _change("start", service, state_dir)


CHANGE_WITHIN = 300.0
"""Seconds: copies are restarted one after the other."""
DONE = {"restart": "restarted", "stop": "stopped", "start": "started"}


def _change(action: str, service: str, option: Path | None) -> None:
    find(option).supervisor({"do": action, "name": service}, timeout=CHANGE_WITHIN)
    console().print(f"{service} {DONE[action]}.")


@click.command()
@state_dir_option
def down(state_dir: Path | None) -> None:
    """Stop everything that `up` or `run` started.

    The data stays; the next `up` goes on with it.

    \b
    Example:
      gatehouse down
    """
    instance = find(state_dir)
    instance.supervisor({"do": "down"}, timeout=DOWN_WITHIN)
    if not wait_until(lambda: not is_alive(instance.supervisor_pid), DOWN_WITHIN):
        raise Failure(f"The supervisor (pid {instance.supervisor_pid}) still runs after {DOWN_WITHIN:g} seconds.")
    console().print("Everything is stopped.")


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Whether the condition became true within that many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
