"""A trace as a waterfall: one line per span, indented under its parent, with a bar where its time was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.cli.console import console
from gateway.cli.hints import command
from gateway.cli.text import visible

BAR, SHORT_BAR = 32, 16
"""Characters that stand for the whole trace's time; fewer on a terminal of less than WIDE columns."""
WIDE = 130
COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan")
TOLD = ("http.response.status_code", "gateway.reason", "error.type", "gateway.policy")
"""Attributes that say what came of a span; the SQL text comes after them."""
SHOWN_SQL, SHORT_SQL = 160, 60
"""Characters of SQL per span, likewise; `--json` has all of it."""


def print_waterfall(trace: dict[str, Any], directory: Path) -> None:
    """Print a trace as the admin API gives it (`start_ms` and `duration_ms` per span)."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    bars, sql = (BAR, SHOWN_SQL) if out.width >= WIDE else (SHORT_BAR, SHORT_SQL)
    out.print(Text(_title(trace), "bold"))
    lines = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("SERVICE", "SPAN", "WHEN", "TIME", "WHAT"):
        numbers = column == "TIME"
        lines.add_column(
            column, justify="right" if numbers else "left", overflow="fold", no_wrap=numbers or column == "WHEN"
        )
    services = sorted({span["service"] for span in trace["spans"]})
    total = max(trace["duration_ms"], 0.001)
    for depth, span in ordered(trace["spans"]):
        colour = COLOURS[services.index(span["service"]) % len(COLOURS)]
        failed = span["status"]["code"] == "error"
        lines.add_row(
            Text(visible(span["service"]), colour),
            Text("  " * depth + visible(span["name"])),
            Text(bar(span["start_ms"], span["duration_ms"], total, bars), "red" if failed else colour),
            f"{span['duration_ms']:.1f} ms",
            Text(what(span, sql), "red" if failed else ""),
        )
    out.print(lines)
    if trace.get("dropped_spans"):
        out.print(f"{trace['dropped_spans']} more spans were not kept.")
    for linked in sorted(related(trace)):
        out.print(f"Linked: {command(directory, 'trace', linked)}", soft_wrap=True)


def _title(trace: dict[str, Any]) -> str:
    count, services = trace["span_count"], trace["services"]
    facts = [f"trace {trace['trace_id']}", trace["name"], f"{trace['duration_ms']:.1f} ms"]
    facts.append(f"{count} span{'' if count == 1 else 's'} of {', '.join(services)}")
    return visible(" · ".join(facts))


def ordered(spans: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each span with its depth, parents before children, siblings by start; a circle is shown flat."""
    known = {span["span_id"] for span in spans}
    children: dict[str | None, list[dict[str, Any]]] = {}
    for span in spans:
        parent = span["parent_id"] if span["parent_id"] in known else None
        children.setdefault(parent, []).append(span)
    shown: set[str] = set()
    stack = [(0, span) for span in reversed(children.get(None, []))]
    while stack:
        depth, span = stack.pop()
        shown.add(span["span_id"])
        yield depth, span
        stack += [(depth + 1, child) for child in reversed(children.get(span["span_id"], []))]
    yield from ((0, span) for span in spans if span["span_id"] not in shown)


def bar(start: float, length: float, total: float, width: int = BAR) -> str:
    """Where in the trace's time a span was: at least one mark, never over the end."""
    begin = min(width - 1, max(0, int(start / total * width)))
    marks = max(1, round(length / total * width))
    return (" " * begin + "━" * min(marks, width - begin)).ljust(width)


def what(span: dict[str, Any], shown_sql: int = SHOWN_SQL) -> str:
    """Status, reason and SQL of a span, in one line."""
    attributes = span["attributes"]
    parts = [str(attributes[name]) for name in TOLD if attributes.get(name) not in (None, "")]
    if planted := attributes.get("gateway.planted_fault"):
        parts.append(f"PLANTED: {planted}")
    if message := span["status"].get("message"):
        parts.append(str(message))
    if sql := attributes.get("db.query.text"):
        words = " ".join(str(sql).split())
        parts.append(words if len(words) <= shown_sql else f"{words[:shown_sql]} …")
    return visible(" · ".join(dict.fromkeys(parts)))


def related(trace: dict[str, Any]) -> set[str]:
    """Other traces that this one is linked with: an event's consumer, for example."""
    links = {link["trace_id"] for span in trace["spans"] for link in span.get("links", ())}
    return (links | set(trace.get("linked_from", ()))) - {trace["trace_id"]}
