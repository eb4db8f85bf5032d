"""`gatehouse import`: a starting configuration from what another tool has written down."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.console import Misuse
from gateway.cli.text import visible

if TYPE_CHECKING:
    from gateway.importing.openapi_config import Imported


@click.group(name="import")
def import_() -> None:
    """Make a configuration from an OpenAPI document."""


@import_.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it here, not to the screen."
)
@click.option("--cluster", metavar="ADDRESS", help="Where the service is: host:port or a URL; else the first server.")
@click.option("--listener", "port", type=click.IntRange(0, 65_535), default=8088, show_default=True, metavar="PORT",
              help="Where clients connect.")  # fmt: skip
@click.option("--issuer", metavar="URL", help="Who issues the tokens, as `iss` has it.")
def openapi(file: Path, output: Path | None, cluster: str | None, port: int, issuer: str | None) -> None:
    """Make a configuration from an OpenAPI 3.0 or 3.1 document.

    One route for each operation, with what the document says of tokens,
    scopes and keys; nothing else is routed. Lines marked LOOK are guesses.
    What is written passes `gatehouse check`.

    \b
    Examples:
      gatehouse import openapi petstore.yaml -o mine.yaml
      gatehouse import openapi orders.json --cluster 127.0.0.1:8102 --issuer https://id.example
    """
    from gateway.cli.check import refusal
    from gateway.importing.openapi_config import Wishes, configuration
    from gateway.importing.openapi_file import read_openapi
    from gateway.spec.errors import SpecErrors

    try:
        document, wishes = read_openapi(file), Wishes(cluster, issuer, port, _seen_from(output, file))
        made = configuration(document, wishes)
        _check(configuration(document, replace(wishes, document=str(file.absolute()))))
    except SpecErrors as errors:
        raise refusal(errors, "the document; nothing is written") from None
    except ValueError as error:
        raise Misuse(str(error)) from None
    if output is None:
        click.echo(made.text, nl=False)
        return
    _write(output, made.text)
    click.echo(f"Written: {visible(output)}, {_count(made.routes, 'route')}, {_count(made.looks, 'line')} marked LOOK.")
    if made.mistakes:
        click.echo(f"Nothing is held to the document: {visible(made.mistakes[0])}")
    if made.wants_keys:
        _tell_keys(output.parent)
    click.echo(f"Then: gatehouse check {visible(output)}")


def _seen_from(output: Path | None, document: Path) -> str:
    """The document's path in a configuration that will stand there; on the screen: here."""
    folder = output.parent if output is not None else Path()
    return Path(os.path.relpath(document.resolve(), folder.resolve())).as_posix()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _check(made: Imported) -> None:
    """Read it as `gatehouse check` would: what we write must be good."""
    from gateway.compile.load import load_text
    from gateway.importing.openapi_routes import KEY_FILE

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / KEY_FILE).write_text('{"keys": []}')
        load_text(made.text, "made.yaml", {}, Path(folder))


def _write(path: Path, text: str) -> None:
    """Never over a file that is there: somebody may have gone through it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise Misuse(f"{path} is there already, and is not replaced.") from None
    except OSError as error:
        raise Misuse(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _tell_keys(folder: Path) -> None:
    """A configuration with API keys needs their file; an empty one lets nobody in."""
    from gateway.importing.openapi_routes import KEY_FILE

    path = folder / KEY_FILE
    if not path.exists():
        _write(path, json.dumps({"keys": []}) + "\n")
        click.echo(f"Written: {visible(path)}, without a key yet: gatehouse key create NAME --file {visible(path)}")
