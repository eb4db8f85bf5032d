"""`gatehouse trace`: the way of one request through all services, as a waterfall in the terminal.

The problem: spans arrive in batches, each process in its own time, so a trace asked for right after its
request has holes. The rule: wait, within limits, until every span's parent is there and nothing
new has happened for a moment; then draw.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, Misuse, print_json
from gateway.cli.instance import Instance, find, problem_text
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.waterfall import print_waterfall

PATIENCE = 4.0
"""Seconds to wait at most for spans that are still under way."""
QUIET = 2.0
"""Seconds after its last span from which a trace counts as whole: longer than any process keeps a batch."""
SEARCHED = 2_000
"""Latest traces that are searched for the start of an id."""


@click.command()
@click.argument("trace_id", metavar="ID")
@state_dir_option
@json_option
def trace(trace_id: str, state_dir: Path | None, as_json: bool) -> None:
    """Show the way of one request through all services.

    The id is printed by `gatehouse call`; its first characters are enough.

    \b
    Examples:
      gatehouse call alice GET /orders/1001
      gatehouse trace 4bf92f35
    """
    if not re.fullmatch(r"[0-9a-fA-F]{4,32}", trace_id):
        raise Misuse(f"{trace_id!r} is no trace id: 4 to 32 hexadecimal digits")
    instance = find(state_dir)
    if instance.spans_to not in ("", instance.collector_url):
        raise Failure(
            f"This instance sends its spans to {instance.spans_to} (OTEL_EXPORTER_OTLP_ENDPOINT): look there."
        )
    found = complete_trace(lambda: _fetch(instance, trace_id.lower()))
    if found is None:
        raise Failure(f"There is no trace {trace_id}.", "Only the latest are kept, and only sampled requests have one.")
    if as_json:
        print_json(found)
    else:
        print_waterfall(found, instance.state_dir)


def complete_trace(
    fetch: Callable[[], dict[str, Any] | None],
    patience: float = PATIENCE,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """The trace when it has settled, or as it is after `patience` seconds; None when it never came."""
    end = clock() + patience
    while True:
        found, now = fetch(), clock()
        if now >= end or (found is not None and settled(found, now)):
            return found
        sleep(0.2)


def settled(trace: dict[str, Any], now: float) -> bool:
    """Whether nothing more is to be expected: no span lacks its parent, and its last one ended a while ago."""
    begun = datetime.fromisoformat(trace["start"]).timestamp()
    return not has_holes(trace) and now - begun - trace["duration_ms"] / 1000 >= QUIET


def has_holes(trace: dict[str, Any]) -> bool:
    """Whether a span names a parent that is not there; the root's own parent is the client's and not ours."""
    known = {span["span_id"] for span in trace["spans"]}
    return sum(span["parent_id"] not in known for span in trace["spans"]) != 1


def _fetch(instance: Instance, trace_id: str) -> dict[str, Any] | None:
    full = trace_id if len(trace_id) == 32 else _full_id(instance, trace_id)
    answer = instance.admin_answer("GET", f"/traces/{full}") if full else None
    if answer is None or answer.status == 404:
        return None
    if not answer.ok:
        raise Failure(f"The admin API answered {answer.status}: {problem_text(answer)}")
    found = answer.json()
    return found if isinstance(found, dict) else None


def _full_id(instance: Instance, start: str) -> str | None:
    listed = instance.admin("GET", f"/traces?limit={SEARCHED}")
    traces = listed["traces"] if isinstance(listed, dict) else listed
    matching = [item["trace_id"] for item in traces if item["trace_id"].startswith(start)]
    if len(matching) > 1:
        raise Misuse(f"{len(matching)} traces start with {start!r}; give more of the id")
    return matching[0] if matching else None
