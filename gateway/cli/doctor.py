"""`gatehouse doctor`: what is here, what is not, and what each lack means.

The problem: "it does not start" has a dozen causes, most of them outside the program. The rule: one check,
one line: what was looked for, what was found, and, where it lacks, what will not work and what to do.
"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.checkup import Finding, examine
from gateway.cli.console import console, print_json, table
from gateway.cli.instance import state_dir as directory_of
from gateway.cli.options import json_option, state_dir_option


@click.command()
@click.option("--port-base", type=click.IntRange(1024, 65_000), help="Look at the ports that `up --port-base N` takes.")
@state_dir_option
@json_option
def doctor(port_base: int | None, state_dir: Path | None, as_json: bool) -> None:
    """Check what Gatehouse finds on this machine.

    `fail`: it will not start. `warn`: it starts, and something is worse or missing. `missing`: optional.
    Exit code 1 when something fails.

    \b
    Examples:
      gatehouse doctor
      gatehouse doctor --json
    """
    findings = examine(directory_of(state_dir), port_base)
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        console().print(table(("CHECK", "", "FOUND", "WHAT IT MEANS"), findings_rows(findings)))
    failed = [finding.name for finding in findings if finding.verdict == "fail"]
    if not as_json:
        click.echo(f"\nWill not start: {', '.join(failed)}." if failed else "\nReady: gatehouse up")
    if failed:
        raise click.exceptions.Exit(1)


def findings_rows(findings: list[Finding]) -> list[tuple[str, str, str, str]]:
    """The table's rows; a check that is good needs no explanation."""
    return [(item.name, item.verdict, item.found, "" if item.verdict == "ok" else item.means) for item in findings]
