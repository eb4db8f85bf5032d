"""`gatehouse journeys`: does the shop still do what people come for?

The problem: processes that run say little about what works. The rule: the journeys are a program of the shop's, not of
the gateway's; it is started here with what it must know, on a pipe, and tells how each journey ended.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click

from gateway.cli.console import Failure, Misuse, console, duration, table
from gateway.cli.instance import Instance, find, private_json
from gateway.cli.options import json_option, state_dir_option
from gateway.control.supervisor.process import reduced_environment
from gateway.control.supervisor.program import python_module
from gateway.control.supervisor.state_dir import StateDir

PROGRAM = "sample_services.journeys"


@click.command()
@click.option("--only", metavar="NAMES", help="Only these journeys, separated by commas.")
@click.option("--rounds", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How often.")
@click.option("--pause", type=click.FloatRange(0, 3_600), default=0.0, metavar="SECONDS", help="Between two rounds.")
@click.option("--time", "timed", is_flag=True, help="How long each takes, over all rounds but the first.")
@state_dir_option
@json_option
def journeys(
    only: str | None, rounds: int, pause: float, timed: bool, state_dir: Path | None, as_json: bool
) -> None:  # fmt: skip
    """Take the shop's user journeys, and say which of them work.

    A customer browses, logs in, orders, cancels; support recovers an account; a partner reads; and so on, on
    the public address as everybody else. The same journeys pass in every architecture. Exit code 1 when one fails.
    With --json one line for each journey, and one for each round. --time leaves the first round out: in it people log
    in, and processes wake up.

    \b
    Examples:
      gatehouse journeys
      gatehouse stop profiles; gatehouse journeys; gatehouse start profiles
      gatehouse journeys --only browse,order --rounds 10 --json
      gatehouse journeys --only browse,order --rounds 10 --time
    """
    if timed and (as_json or rounds < 2):
        raise click.UsageError("--time is for two rounds or more, and not for --json")
    instance = find(state_dir)
    told = settings(instance) | {"only": only.split(",") if only else [], "rounds": rounds, "pause": pause}
    every: list[list[dict[str, Any]]] = []
    good = True
    for outcomes, summary in _by_round(travel(told), echo=as_json):
        every.append(outcomes)
        good = good and summary["passed"] == summary["of"]
        if not (as_json or timed):
            _print_round(outcomes, summary)
    if timed:
        _print_times(every[1:])
    if not good:
        raise click.exceptions.Exit(Failure.exit_code)


def _by_round(lines: Iterator[dict[str, Any]], *, echo: bool) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any]]]:
    """How each journey of a round ended, and the round; `echo`: each as a line of JSON, as it comes."""
    outcomes: list[dict[str, Any]] = []
    for line in lines:
        if echo:
            click.echo(json.dumps(line))
        if "journey" in line:
            outcomes.append(line)
        else:
            yield outcomes, line
            outcomes = []


def settings(instance: Instance) -> dict[str, Any]:
    """What the program must know of an instance.

    Raises:
        Failure: no shop runs there.
    """
    if not instance.ports.keys() >= {"identity", "alerts"}:
        raise Failure("This instance runs no shop.", "Start one: gatehouse up --detach")
    secrets = private_json(instance.state_dir / "installation.json")
    state = StateDir(instance.state_dir)
    return {
        "public_url": instance.public_url,
        "users": secrets["users"],
        "clients": {"partner": secrets["clients"]["partner"]},
        "mail": str(state.data("identity") / "mail"),
        "alerts": str(state.data("alerts") / "alerts.db"),
    }


def travel(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the program says, line by line.

    Raises:
        Misuse: it does not know what it is told.
    """
    program = subprocess.Popen(  # noqa: S603
        python_module(PROGRAM), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=reduced_environment(os.environ)
    )
    assert program.stdin is not None
    assert program.stdout is not None
    try:
        program.stdin.write(json.dumps(told).encode())
        program.stdin.close()
        yield from (json.loads(line) for line in program.stdout)
        if program.wait() not in (0, 1):
            raise Misuse("The journeys were not taken.")
    finally:
        program.kill()
        program.wait()
        program.stdout.close()


def _print_round(outcomes: list[dict[str, Any]], summary: dict[str, Any]) -> None:
    rows = [_row(outcome) for outcome in outcomes]
    console().print(table(("JOURNEY", "", "TIME", "FAILED AT", "WHY"), rows, right=("TIME",)))
    click.echo(f"{summary['passed']} of {summary['of']} journeys work ({summary['passed'] / summary['of']:.0%}).")


def _row(outcome: dict[str, Any]) -> tuple[str, ...]:
    word = "ok" if outcome["passed"] else "fail"
    return outcome["journey"], word, duration(outcome["seconds"]), outcome["step"], outcome["why"]


def _print_times(rounds: Sequence[Sequence[Mapping[str, Any]]]) -> None:
    """The median of each journey and its slowest; and the median of all."""
    times = {
        journeys[0]["journey"]: [one["seconds"] for one in journeys] for journeys in zip(*rounds, strict=True)
    }  # fmt: skip
    rows = [(name, duration(median(taken)), duration(max(taken))) for name, taken in times.items()]
    console().print(table(("JOURNEY", "MEDIAN", "SLOWEST"), rows, right=("MEDIAN", "SLOWEST")))
    of_all = median(seconds for taken in times.values() for seconds in taken)
    click.echo(f"{len(rounds)} rounds; the median of all journeys is {duration(of_all)}.")
