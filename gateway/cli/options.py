"""Options that several commands share, so that they mean the same everywhere."""

from __future__ import annotations

from pathlib import Path

import click

state_dir_option = click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Where the state is; else $GATEHOUSE_STATE_DIR, else ~/.local/state/gatehouse.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON for programs, in place of text.")
config_argument = click.argument("config", type=click.Path(exists=True, dir_okay=False, path_type=Path))
header_option = click.option(
    "-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; repeatable."
)
data_option = click.option(
    "-d", "--data", metavar="DATA", help="The body; @FILE reads it from a file, @- from standard input."
)
detach_option = click.option("--detach", is_flag=True, help="Return when it is up; `gatehouse down` stops it.")
port_base_option = click.option(
    "--port-base",
    type=click.IntRange(0, 65_000),
    metavar="N",
    help="Take the ports from N on; 0 finds a free block.",
)


def split_header(text: str) -> tuple[str, str]:
    """Name and value of `Name: value`.

    Raises:
        click.BadParameter: there is no colon, or no name before it.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is no header; write it as 'Name: value'")
    return name.strip(), value.strip()
