"""`gatehouse reload`: read the configuration again, now, and say what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Failure, Misuse, console, print_json
from gateway.cli.instance import find, problem_text
from gateway.cli.options import json_option, state_dir_option


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
    if as_json and isinstance(result, dict):
        print_json(result)
    if not answer.ok:
        kind = Misuse if answer.status in (400, 409, 422) else Failure
        raise kind(f"Not loaded; the last good configuration serves on. {problem_text(answer)}")
    if not as_json:
        version = result.get("version", "?") if isinstance(result, dict) else "?"
        console().print(f"Version {version} of {instance.config} serves.")
