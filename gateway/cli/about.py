"""`gatehouse version` and `gatehouse completion`: what this program is, and how a shell completes it."""

from __future__ import annotations

import platform
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec

import click

from gateway.cli.options import json_option


def version_line() -> str:
    """Name, version and the Python that runs it."""
    machine = f"{platform.system()} {platform.machine()}"
    build = ", native" if is_native() else ""
    return f"gatehouse {_version()} (Python {platform.python_version()}, {machine}{build})"


def is_native() -> bool:
    """Whether the hot path is compiled (docs/native.md): what an import of one of its modules would find."""
    found = find_spec("gateway.http.heads")
    return found is not None and isinstance(found.loader, ExtensionFileLoader)


def _version() -> str:
    from importlib.metadata import version as installed

    return installed("gatehouse")


@click.command()
@json_option
def version(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        from gateway.cli.console import print_json

        told = {"gatehouse": _version(), "python": platform.python_version(), "system": platform.system()}
        print_json(told | {"native": is_native()})
    else:
        click.echo(version_line())


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      gatehouse completion bash > ~/.local/share/bash-completion/completions/gatehouse
      gatehouse completion zsh  > ~/.zfunc/_gatehouse
      gatehouse completion fish > ~/.config/fish/completions/gatehouse.fish
    """
    from click.shell_completion import get_completion_class

    from gateway.cli.main import cli

    complete = get_completion_class(shell)
    assert complete is not None
    click.echo(complete(cli, {}, "gatehouse", "_GATEHOUSE_COMPLETE").source())
