"""How `gatehouse call` reads the body to send, and shows the answer.

The problem: an answer is mostly noise, and the few headers that say *why* drown in it. The rule: status line
and time first, then only the headers that explain a decision, then the body, then where to look further.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from gateway.cli.console import Misuse, duration, print_json
from gateway.cli.hints import command
from gateway.cli.text import visible
from gateway.cli.wire import Answer

TELLING = (
    "content-type", "location", "www-authenticate", "retry-after", "ratelimit", "ratelimit-policy", "allow",
    "deprecation", "sunset",
)  # fmt: skip
SHOWN_BODY = 20_000
"""Characters of a body that are printed; `--json` gives all of it."""


def body_of(data: str | None) -> tuple[bytes, str]:
    """The body to send and its most likely Content-Type.

    Raises:
        Misuse: the file behind `@` cannot be read.
    """
    if data is None:
        return b"", ""
    body = _from_file(data[1:]) if data.startswith("@") else data.encode()
    return body, _content_type(body)


def _from_file(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise Misuse(f"The body cannot be read from {name!r}: {error.strerror}") from None


def _content_type(body: bytes) -> str:
    if body.lstrip().startswith(b"<"):
        return "text/xml; charset=utf-8"  # SOAP 1.1, section 6
    try:
        json.loads(body)
    except ValueError:
        return "application/json" if body.lstrip()[:1] in (b"{", b"[") else "application/x-www-form-urlencoded"
    return "application/json"


def print_answer(answer: Answer, seconds: float, directory: Path, *, as_json: bool) -> None:
    """Show an answer to a person, or (`as_json`) to a program."""
    trace_id = trace_id_of(answer)
    if as_json:
        body: Any = answer.json()
        text = answer.body.decode("utf-8", "replace")
        facts = {"status": answer.status, "headers": answer.headers, "body": text if body is None else body}
        print_json(facts | {"trace_id": trace_id, "seconds": round(seconds, 4)})
        return
    click.secho(f"HTTP {answer.status} {visible(answer.reason)}", fg=_colour(answer.status), bold=True, nl=False)
    click.echo(f"  in {duration(seconds)}")
    for name, value in answer.headers:
        if name.lower() in TELLING:
            click.echo(f"{visible(name)}: {visible(value)}")
    if answer.body:
        click.echo(f"\n{_shown_body(answer)}\n")
    if trace_id:
        click.echo(f"trace: {command(directory, 'trace', trace_id)}")
    if trace_id and not answer.ok:
        click.echo(f"why:   {command(directory, 'explain', '--trace', trace_id)}")


def _colour(status: int) -> str:
    return "green" if status < 300 else "yellow" if status < 400 else "red"


def _shown_body(answer: Answer) -> str:
    parsed = answer.json()
    text = answer.body.decode("utf-8", "replace")
    text = text if parsed is None else json.dumps(parsed, indent=2, ensure_ascii=False)
    rest = len(text) - SHOWN_BODY
    more = f"\n… {rest} more characters" if rest > 0 else ""
    return visible(text[:SHOWN_BODY], keep="\n\t").rstrip() + more


def trace_id_of(answer: Answer) -> str:
    """The trace's id, from `traceresponse` (W3C Trace Context level 2) or from the problem document."""
    parts = answer.header("traceresponse").split("-")
    if len(parts) == 4 and len(parts[1]) == 32:
        return visible(parts[1])
    problem = answer.json()
    return visible(problem.get("trace_id") or "") if isinstance(problem, dict) else ""
