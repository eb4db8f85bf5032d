"""`gatehouse check`: what is wrong in a configuration file, shown where it stands.

The problem: "validation failed" sends people searching. The rule: file, line and column as every editor
understands them, the line itself with a caret under the offending text, and what to write instead. Nothing
is started, and the very same loader serves `up`, `run` and `reload`. What reads well is compiled as a worker would, so
that a filter of one's own which cannot be made is found here and not after the start.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.console import Misuse, console, print_json
from gateway.cli.options import config_argument, json_option
from gateway.cli.text import visible

if TYPE_CHECKING:
    from gateway.spec.errors import SpecError, SpecErrors
    from gateway.spec.models import Spec

DEFAULT_VARIABLES = {"GATEHOUSE_PUBLIC_PORT": "8088", "GATEHOUSE_INTERNAL_PORT": "8089"}
"""What `gatehouse up` gives a configuration when it takes the default ports."""


@click.command()
@config_argument
@json_option
def check(config: Path, as_json: bool) -> None:
    """Check a configuration file; nothing is started.

    Exit code 2 when it has errors.

    \b
    Examples:
      gatehouse check config/shop.yaml
      gatehouse check --json mine.yaml
    """
    from gateway.compile.trial import not_made
    from gateway.spec.errors import SpecErrors

    try:
        spec = load(config)
        if problem := not_made(spec):
            raise SpecErrors([_at_its_line(config, problem)])
    except SpecErrors as errors:
        if as_json:
            print_json({"valid": False, "errors": [asdict(error) for error in errors.errors]})
            raise click.exceptions.Exit(Misuse.exit_code) from None
        raise refusal(errors) from None
    if as_json:
        print_json({"valid": True, "errors": [], "warnings": list(warnings(spec))})
    else:
        counts = (
            (len(spec.listeners), "listener"),
            (len(spec.routes), "route"),
            (len(spec.clusters), "cluster"),
        )
        told = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
        console().print(f"{visible(config)} is good: {told}.")
        for warning in warnings(spec):
            console().print(visible(f"warning: {warning}"), style="yellow", soft_wrap=True)


def warnings(spec: Spec) -> Iterator[str]:
    """What is no mistake and still nothing to forget: failures that are planted on purpose."""
    from gateway.upstream.faults import tell

    for route in spec.routes:
        if route.faults is not None:
            yield f"{route.where}: route {route.name} fails on purpose: {tell(route.faults)}"


def _at_its_line(config: Path, problem: str) -> SpecError:
    """`shop.yaml:7: what is wrong`, as an error with its place."""
    from gateway.spec.errors import SpecError

    found = re.match(rf"{re.escape(config.name)}:(\d+): (.*)", problem, re.DOTALL)
    line, message = (int(found[1]), found[2]) if found else (1, problem)
    lines = config.read_text(encoding="utf-8").splitlines()
    text = lines[line - 1] if line <= len(lines) else ""
    return SpecError(str(config), line, len(text) - len(text.lstrip(" -")) + 1, "", message, text)


def load(config: Path) -> Spec:
    """A configuration, read as `gatehouse up` reads it with its default ports.

    Raises:
        SpecErrors: everything that is wrong in it.
        Misuse: it is no readable UTF-8 text.
    """
    from gateway.compile.load import load_text

    try:
        text = config.read_text(encoding="utf-8")
    except OSError as error:
        raise Misuse(f"{config} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise Misuse(f"{config} is no UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}") from None
    return load_text(text, str(config), DEFAULT_VARIABLES | dict(os.environ), config.parent)


def load_or_exit(config: Path) -> Spec:
    """The same for other commands: errors are printed as `check` prints them, exit code 2."""
    from gateway.spec.errors import SpecErrors

    try:
        return load(config)
    except SpecErrors as errors:
        raise refusal(errors) from None


def refusal(errors: SpecErrors, place: str = "the configuration; nothing is started") -> Misuse:
    """All errors of a file as one message; `place` says what it is, and that nothing has happened."""
    count = len(errors.errors)
    told = "\n\n".join(picture(error) for error in errors.errors)
    return Misuse(f"{count} problem{'' if count == 1 else 's'} in {place}.\n\n{told}")


def picture(error: SpecError) -> str:
    """One error as text: where and what, the line with carets under the offending text, and what to write."""
    lines = [visible(f"{error.file}:{error.line}:{error.column}: {error.message}")]
    if error.text.strip():
        lines += _underlined(error.text, error.line, error.column)
    if error.suggestion:
        lines.append(f'  did you mean "{visible(error.suggestion)}"?')
    return "\n".join(lines)


def _underlined(source: str, line: int, column: int) -> list[str]:
    margin, start = f"  {line} | ", column - 1
    end = start + len(re.match(r"[^\s:,\]}]*", source[start:])[0])  # type: ignore[index]  # matches always
    before, offending = (visible(part, keep="\t") for part in (source[:start], source[start:end]))
    blank = re.sub(r"[^\t]", " ", margin + before)  # a tab stays one, so that the carets stand below the text
    return [margin + visible(source, keep="\t"), blank + "^" * max(1, len(offending))]
