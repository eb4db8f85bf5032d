"""`gatehouse cache`: what the caches hold; and emptying them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, console, duration, print_json, table
from gateway.cli.instance import find, problem_text
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible

NONE = "The running configuration has no cache."


@click.command()
@click.option("--purge", metavar="PATH", help="Forget what is kept of this path; of all below it with * at the end.")
@click.option("--all", "everything", is_flag=True, help="Forget all that is kept.")
@click.option("--cache", "name", metavar="NAME", help="Only in this cache.")
@click.option("--top", type=click.IntRange(0, 20), default=5, show_default=True, help="So many answers of each.")
@state_dir_option
@json_option
def cache(
    purge: str | None, everything: bool, name: str | None, top: int, state_dir: Path | None, as_json: bool
) -> None:
    """Show what the caches hold, or forget it.

    Each worker keeps answers for itself; those that were given most often come first. A purge reaches all
    workers, and what they are fetching at this moment is not kept either.

    \b
    Examples:
      gatehouse cache
      gatehouse cache --purge /products
      gatehouse cache --purge '/products/*' --cache catalogue
      gatehouse cache --all
    """
    if purge is not None and everything:
        raise click.UsageError("Give either --purge PATH or --all.")
    if purge is not None or everything:
        _purge(purge, name, state_dir, as_json)
    else:
        _show(name, top, state_dir, as_json)


def _purge(path: str | None, name: str | None, state_dir: Path | None, as_json: bool) -> None:
    question: dict[str, Any] = {"all": True} if path is None else {"path": path}
    result = find(state_dir).admin_answer("POST", "/caches/purge", question | ({"cache": name} if name else {}))
    found: Any = result.json()
    if as_json:
        print_json(found)
    if not result.ok and "silent" not in found:
        raise Failure(f"The admin API answered {result.status}: {problem_text(result)}")
    if not as_json:
        told = ", ".join(f"{count} in {worker}" for worker, count in found["purged"].items())
        console().print(f"Forgotten: {told or 'nothing'}.", soft_wrap=True)
    if found["silent"]:
        raise Failure(f"No answer from {', '.join(found['silent'])}: it may still keep something. Ask again.")


def _show(name: str | None, top: int, state_dir: Path | None, as_json: bool) -> None:
    found: dict[str, Any] = find(state_dir).admin("GET", "/caches")
    caches = [one for one in found["caches"] if name in (None, one["name"])]
    if as_json:
        print_json({"caches": caches})
    elif not caches:
        click.echo(NONE)
    else:
        columns = ("CACHE", "WORKER", "HOLDS", "ANSWER", "ROUTE", "GIVEN", "AGE", "FRESH FOR")
        console().print(table(columns, (row for one in caches for row in _rows(one, top)), right=("GIVEN",)))


def _rows(cache: dict[str, Any], top: int) -> Iterator[tuple[str, ...]]:
    """A worker's own columns stand in its first row only."""
    for worker in cache["workers"]:
        count = f"{worker['entries']} answer{'' if worker['entries'] == 1 else 's'}"
        holds = f"{count}, {worker['bytes'] / 1024:.0f} of {worker['max_bytes'] / 1024:.0f} KiB"
        about = (cache["name"], worker["worker"], holds)
        for one in worker["top"][:top] or [None]:
            yield *about, *_answer(one)
            about = ("", "", "")


def _answer(one: dict[str, Any] | None) -> tuple[str, ...]:
    if one is None:
        return "–", "", "", "", ""
    place = visible(one["host"] + one["path"]) + ("?…" if one["has_query"] else "")
    fresh = duration(one["fresh_seconds"]) if one["fresh_seconds"] > 0 else "stale"
    return f"{one['status']} {place}", one["route"], str(one["hits"]), duration(one["age_seconds"]), fresh
