"""`gatehouse scale`, `deploy`, `promote`, `rollback`: change one service while it and all others serve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Misuse, console, print_json
from gateway.cli.instance import find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

WITHIN = 600.0
"""Seconds: copies are exchanged one after the other."""
service_argument = click.argument("service")


class Percent(click.ParamType[int]):
    """`10%`, or `10`."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """A whole number of percent."""
        digits = str(value).removesuffix("%").strip()
        if not digits.isdecimal() or int(digits) > 100:
            self.fail(f"{value} is no whole number of percent, 0% to 100%", param, ctx)
        return int(digits)


@click.command()
@service_argument
@click.argument("copies", type=click.IntRange(1, 16))
@state_dir_option
@json_option
def scale(service: str, copies: int, state_dir: Path | None, as_json: bool) -> None:
    """Run so many copies of a service.

    A new copy gets requests when it is ready. One that goes gets no more, answers those that it has, and stops then.

    \b
    Examples:
      gatehouse scale orders 3
      gatehouse scale orders 1
    """
    _change({"do": "scale", "name": service, "copies": copies}, state_dir, as_json)


@click.command()
@service_argument
@click.option("--version", required=True, help="Which one: of the manifest, or a name for --path and --module.")
@click.option(
    "--canary", type=Percent(), metavar="PERCENT", help="Give it only this share of the requests, and judge it."
)
@click.option(
    "--path",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of Python modules that go first.",
)
@click.option("--module", help="Another module to run.")
@click.option(
    "--error-ratio",
    type=Percent(),
    metavar="PERCENT",
    help="Take it back when so much more fails than at the others. [5%]",
)
@click.option(
    "--max-latency", metavar="DURATION", help="Take it back when its p95 is longer, and 1.5 times the others'."
)
@click.option("--min-requests", type=click.IntRange(1), help="Judge it by no fewer requests. [50]")
@click.option("--window", metavar="DURATION", help="Judge it by the latest requests of so long. [30s]")
@state_dir_option
@json_option
def deploy(
    service: str, version: str, canary: int | None, path: Path | None, module: str | None, error_ratio: int | None,
    max_latency: str | None, min_requests: int | None, window: str | None, state_dir: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Run another version of a service, for all requests or for a share.

    Copies are exchanged one after the other, each when another is ready to stand in. A version that does not become
    ready is taken back. With --canary it gets a share of the requests, and is taken back when it does worse.

    \b
    Examples:
      gatehouse deploy orders --version v2
      gatehouse deploy orders --version v2 --canary 10%
      cp -r sample_services patched/ && gatehouse deploy orders --version mine --path patched
    """
    rollback: dict[str, Any] = {
        "errorRatio": None if error_ratio is None else error_ratio / 100,
        "latency": {"max": max_latency} if max_latency else None,
        "minRequests": min_requests,
        "window": window,
    }
    rules = {name: value for name, value in rollback.items() if value is not None}
    if rules and canary is None:
        raise Misuse("Only a canary is judged: say --canary, too.")
    question: dict[str, Any] = {"do": "deploy", "name": service, "version": version, "module": module or ""}
    question |= {"path": str(path.absolute()) if path else ""}
    if canary is not None:
        question["canary"] = {"weight": canary, "rollback": rules}
    _change(question, state_dir, as_json)


@click.command()
@service_argument
@state_dir_option
@json_option
def promote(service: str, state_dir: Path | None, as_json: bool) -> None:
    """Make a service's canary its version.

    \b
    Example:
      gatehouse promote orders
    """
    _change({"do": "promote", "name": service}, state_dir, as_json)


@click.command()
@service_argument
@state_dir_option
@json_option
def rollback(service: str, state_dir: Path | None, as_json: bool) -> None:
    """Take a service's canary back, or go back to the version before.

    \b
    Example:
      gatehouse rollback orders
    """
    _change({"do": "rollback", "name": service}, state_dir, as_json)


def _change(question: dict[str, Any], option: Path | None, as_json: bool) -> None:
    told = find(option).supervisor(question, timeout=WITHIN)
    if as_json:
        print_json(told)
        return
    copies: Sequence[str] = told["copies"]
    console().print(visible(f"{told['service']} is at {told['version']}: {', '.join(copies)}."))
    if canary := told["canary"]:
        console().print(
            visible(f"{canary['version']} gets {canary['weight']} % of its requests; see: gatehouse canary")
        )
