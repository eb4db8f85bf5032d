"""`gatehouse reload`: read the configuration again, now, and say what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, Misuse, console, print_json
from gateway.cli.instance import find, problem_text
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.wire import Answer

REFUSED = (409, 422)
"""A worker did not take it, or the file has errors: a configuration error either way."""


@click.command()
@state_dir_option
@json_option
def reload(state_dir: Path | None, as_json: bool) -> None:
    """Read the configuration again, now.

    A changed file is noticed without this command, too. A configuration with errors is refused (exit code
    2), and the last good one serves on.

    \b
    Example:
      gatehouse check config/shop.yaml && gatehouse reload
    """
    instance = find(state_dir)
    answer = instance.admin_answer("POST", "/reload")
    result: Any = answer.json()
    if as_json:
        print_json(result)
    if answer.status in REFUSED:
        raise Misuse(f"Refused; the last good configuration serves on.\n{_errors(answer)}")
    if not answer.ok:
        raise Failure(f"The admin API answered {answer.status}: {problem_text(answer)}")
    if not as_json:
        how = "is unchanged" if result["result"] == "unchanged" else "serves now"
        console().print(f"Version {result['version']} of {instance.config} {how}.", soft_wrap=True)
        for note in result.get("notes", ()):
            console().print(f"Note: {note}", soft_wrap=True)


def _errors(answer: Answer) -> str:
    problem = answer.json()
    errors = problem.get("errors") if isinstance(problem, dict) else None
    return "\n".join(map(str, errors)) if errors else problem_text(answer)
