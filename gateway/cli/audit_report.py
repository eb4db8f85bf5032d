"""How an audit is printed: the inventory, then one paragraph for each check that found something.

The problem: forty findings in a table hide that there are four causes. The rule: what a check found stands together
under its reason and its remedy, gravest first; lines fit into a terminal of 80 columns, wrapped between words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from gateway.audit.checks import CHECKS
from gateway.audit.model import SEVERITIES, Check, Finding
from gateway.cli.console import console, table
from gateway.cli.text import visible

if TYPE_CHECKING:
    from rich.console import Console

    from gateway.audit.inventory import Entry
    from gateway.audit.report import Report

TABLE_WIDTH = 150
"""Columns that the inventory needs as a table; where there are fewer, each route is a paragraph."""
STYLES = {"high": "bold red", "medium": "bold yellow", "low": "cyan", "info": "dim"}
BY_ID = {check.id: check for check in CHECKS}


def print_report(report: Report, subject: str, notes: list[str], *, inventory: bool) -> None:
    """Print everything for a person."""
    from rich.text import Text

    out = console()
    out.print(Text(f"Audit of {visible(subject)}", "bold"), soft_wrap=True)
    if inventory:
        _print_inventory(out, report.inventory)
    for (severity, check), found in groupby(report.open(), lambda one: (one.severity, one.check)):
        _print_group(out, severity, BY_ID[check], list(found))
    _print_accepted(out, [one for one in report.findings if one.accepted])
    out.print()
    out.print(Text(_summary(report), "bold"))
    for note in notes:
        out.print(Text(f"Note: {visible(note)}", "dim"))


def _print_inventory(out: Console, entries: list[Entry]) -> None:
    out.print()
    if out.width >= TABLE_WIDTH:
        columns = ("ROUTE", "OWNER", "VERSION", "LIFECYCLE", "WHO MAY CALL", "LIMITS", "MATCHES", "LINE")
        out.print(table(columns, map(_row, entries)))
        return
    for entry in entries:
        name, owner, version, lifecycle, who, limits, matches, where = _row(entry)
        out.print(f"{visible(name)}  {visible(owner)}, {visible(version)}, {lifecycle}, {visible(where)}")
        _indented(out, f"{matches}: {who}; limits: {limits}", 2)


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        entry.route,
        entry.owner or "no owner",
        entry.version or "no version",
        entry.lifecycle,
        entry.callers,
        ", ".join(entry.limits) or "none",
        " or ".join(entry.matches),
        entry.where,
    )


def _print_group(out: Console, severity: str, check: Check, found: list[Finding]) -> None:
    from rich.text import Text

    out.print()
    head = Text(severity.upper(), STYLES[severity])
    head.append(f"  {check.title}", "bold")
    out.print(head, soft_wrap=True)
    _indented(out, f"{check.id}{f' (OWASP {check.owasp})' if check.owasp else ''}: {check.why}", 2)
    _indented(out, f"Fix: {check.fix}", 2)
    for one in found:
        _indented(out, " ".join(filter(None, (one.where, f"{one.subject}: {one.detail}"))), 4)


def _print_accepted(out: Console, accepted: Iterable[Finding]) -> None:
    from rich.text import Text

    for number, one in enumerate(accepted):
        if not number:
            out.print()
            out.print(Text("ACCEPTED  by the configuration, with its reason", "bold green"))
        _indented(out, f"{one.where} {one.subject}: {one.check} ({one.severity}): {one.accepted}", 2)


def _indented(out: Console, text: str, columns: int) -> None:
    """Wrapped between words, with later lines further in than the first."""
    from rich.text import Text

    lines = Text(visible(text)).wrap(out, max(out.width - columns - 2, 20))
    for number, line in enumerate(lines):
        line.rstrip()
        out.print(Text(" " * (columns if not number else columns + 2)) + line, soft_wrap=True)


def _summary(report: Report) -> str:
    counts = [f"{count} {severity}" for severity, count in _counts(report.open())]
    accepted = sum(bool(one.accepted) for one in report.findings)
    routes = f"{len(report.inventory)} route{'' if len(report.inventory) == 1 else 's'}"
    return f"{routes}; findings: {', '.join(counts) or 'none'}; {accepted} accepted."


def _counts(findings: list[Finding]) -> Iterator[tuple[str, int]]:
    for severity in SEVERITIES:
        count = sum(one.severity == severity for one in findings)
        if count:
            yield severity, count
