"""`gatehouse audit`: what there is, and where it is weak.

The problem: a configuration is read route by route, and a hole lies between two of them, or in what the running
system does that no file says. The rule: the same checks look at a file alone, or at the running configuration
together with its traffic and with what its services say of themselves; what is weak on purpose is accepted in the
file, with a reason.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.console import Failure, print_json
from gateway.cli.options import json_option, state_dir_option

if TYPE_CHECKING:
    from gateway.audit.lines import Lines
    from gateway.audit.model import Severity, System


@click.command()
@click.argument("config", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--fail-on",
    type=click.Choice(["high", "medium", "low", "info"]),
    help="Exit code 1 when a finding that is not accepted is at least so grave.",
)
@click.option("--inventory/--no-inventory", default=True, help="List the routes as well; they come first.")
@state_dir_option
@json_option
def audit(
    config: Path | None,
    fail_on: Severity | None,
    inventory: bool,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """List what there is and where it is weak, with the fix.

    CONFIG is a file to look at by itself. Without it the running system is
    looked at: its configuration, its latest requests, and the OpenAPI
    documents of its services.

    \b
    Examples:
      gatehouse audit
      gatehouse audit config/shop.yaml --fail-on medium
      gatehouse audit --no-inventory
      gatehouse audit --json | jq '.findings[] | select(.severity == "high")'
    """
    from gateway.audit.report import audit as look
    from gateway.cli.audit_report import print_report

    subject, system, lines, notes = _of_file(config) if config else _of_instance(state_dir)
    report = look(system, lines)
    if as_json:
        print_json({"subject": subject, "notes": notes, **asdict(report)})
    else:
        print_report(report, subject, notes, inventory=inventory)
    if fail_on is not None and report.reaches(fail_on):
        raise click.exceptions.Exit(Failure.exit_code)


Looked = tuple[str, "System", "Lines", list[str]]
"""What is looked at, in words; the system; its lines; what could not be looked at."""


def _of_file(config: Path) -> Looked:
    from gateway.audit.lines import Lines
    from gateway.audit.model import System
    from gateway.cli.check import load_or_exit
    from gateway.compile.table import answering_types, authenticating_types

    spec = load_or_exit(config)
    lines = Lines(spec, config.read_text(encoding="utf-8"), str(config))
    system = System(spec, authenticating_types(), answering_types())
    return str(config), system, lines, ["only the file was looked at: no traffic, no OpenAPI documents"]


def _of_instance(state_dir: Path | None) -> Looked:
    from gateway.cli.instance import find
    from gateway.cli.observed import observe

    return observe(find(state_dir))
