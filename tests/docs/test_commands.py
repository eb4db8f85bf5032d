"""docs/commands.md describes every command, and no page speaks of a command or option that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from gateway.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]

MENTION = re.compile(r"(?:`|\$ |&& |\(|^ *|: +)(?:[\w/.]*bin/)?gatehouse ([a-z]+)([^`\n]*)", re.MULTILINE)
"""A command in code: after a back-tick, a prompt, `&&`, `$(`, at the beginning of a line, or after a colon."""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


def code_of(page: Path) -> str:
    """What a page shows as code: blocks by fence or indentation, and words in back-ticks."""
    text = page.read_text()
    fenced = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^    .*$", text, re.MULTILINE)
    return "\n".join([*fenced, *indented, *re.findall(r"`[^`\n]+`", text)])


def command(name: str) -> click.Command | None:
    context = click.Context(cli)
    return cli.get_command(context, name)


def options(one: click.Command) -> set[str]:
    """The options of a command, and of its own commands."""
    found = {name for parameter in one.params for name in (*parameter.opts, *parameter.secondary_opts)}
    if isinstance(one, click.Group):
        for name in one.list_commands(click.Context(one)):
            child = one.get_command(click.Context(one), name)
            found |= options(child) if child else set()
    return found | {"--help"}


def test_every_command_is_described() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    described = {name for line in re.findall(r"^### .*$", text, re.MULTILINE) for name in mentioned(line)}
    assert described == set(cli.list_commands(click.Context(cli)))


def mentioned(text: str) -> list[str]:
    return re.findall(r"`gatehouse ([a-z]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    unknown = []
    for name, rest in MENTION.findall(code_of(page)):
        known = command(name)
        if known is None:
            unknown.append(name)
        else:
            own = rest.split("|")[0].split("&&")[0].split(") ")[0]
            unknown += [f"{name} {option}" for option in OPTION.findall(own) if option not in options(known)]
    assert unknown == []


def test_a_wrong_command_would_be_seen() -> None:
    assert MENTION.findall("`gatehouse fly --high`") == [("fly", " --high")]
    assert command("fly") is None
