"""`gatehouse key`: the file of API keys, kept by commands.

The problem: keys that are made by hand are weak, stay in a shell's history, and are exchanged in the one second in
which nobody is served. The rule: the key is drawn here and printed once, the file gets its hash; an owner may have two
valid keys, so that a new one is in use before the old one is revoked; the file is replaced whole, never half written.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import click
from pydantic import ValidationError

from gateway.cli.console import Failure, Misuse, console, print_json, table
from gateway.cli.options import json_option
from gateway.cli.text import visible
from gateway.spec.api_keys import KeyFile, StoredKey, digest, now, read_keys

VALID_PER_OWNER = 2

file_option = click.option(
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file that the configuration names.",
)


@click.group()
def key() -> None:
    """Make, list and revoke API keys.

    They stand, hashed, in a file that a filter of type ApiKey names; a running
    gateway takes up a change within two seconds.
    """


@key.command()
@click.argument("owner")
@file_option
@click.option("--plan", default="default", show_default=True, help="What the owner pays for; a claim of the request.")
@click.option("--scope", "scopes", multiple=True, help="What it may do; may be repeated.")
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long it is valid.")
def create(owner: str, file: Path, plan: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a key and print it, this once.

    To exchange one: create the second, let the owner use it, revoke the first.

    \b
    Example:
      gatehouse key create acme --file partner-keys.json --plan gold --scope orders:read
    """
    with _changing(file, may_be_new=True) as found:
        valid = [one.id for one in found if one.owner == owner and one.valid(now())]
        if len(valid) >= VALID_PER_OWNER:
            raise Failure(
                f"{owner} has {len(valid)} valid keys already: {', '.join(valid)}.",
                f"Revoke the one that is no longer used: gatehouse key revoke {valid[0]} --file {file}",
            )
        text, stored = _draw({one.id for one in found}, owner, plan, scopes, days)
        found.append(stored)
    click.echo(text)
    click.echo(f"Key {stored.id} of {visible(owner)}, valid for {days} days. It is shown only now.", err=True)


def _draw(taken: set[str], owner: str, plan: str, scopes: tuple[str, ...], days: int) -> tuple[str, StoredKey]:
    """A new key as text, and what the file gets of it."""
    identity = secrets.token_hex(6)
    while identity in taken:
        identity = secrets.token_hex(6)
    text = f"ghk_{identity}_{secrets.token_urlsafe(32)}"
    made = now()
    try:
        stored = StoredKey(
            id=identity,
            sha256=digest(text.encode()),
            owner=owner,
            plan=plan,
            scopes=scopes,
            created=made,
            expires=made + timedelta(days=days),
        )
    except ValidationError as error:
        name = error.errors()[0]["loc"][0]
        raise Misuse(f"{name} is a word of at most 64 visible ASCII characters, without spaces.") from None
    return text, stored


@key.command("list")
@file_option
@json_option
def list_(file: Path, as_json: bool) -> None:
    """List the keys: whose, what for, until when. The keys themselves are nowhere."""
    keys = _read(file)
    if as_json:
        print_json([one.model_dump(mode="json", by_alias=True, exclude={"sha256"}) for one in keys])
        return
    rows = [(one.id, one.owner, one.plan, " ".join(one.scopes), _state(one), _date(one.expires)) for one in keys]
    console().print(table(("ID", "OWNER", "PLAN", "SCOPES", "STATE", "EXPIRES"), rows))


def _date(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d}" if time else "never"


def _state(one: StoredKey) -> str:
    if one.revoked is not None:
        return f"revoked {_date(one.revoked)}"
    return "valid" if one.valid(now()) else "expired"


@key.command()
@click.argument("id_", metavar="ID")
@file_option
def revoke(id_: str, file: Path) -> None:
    """End a key, by its id: the part between the underscores. It stays in the list."""
    with _changing(file) as found:
        place = next((index for index, one in enumerate(found) if one.id == id_), None)
        if place is None:
            raise Failure(f"There is no key {id_} in {file}.")
        if found[place].revoked is None:
            found[place] = found[place].model_copy(update={"revoked": now()})
    click.echo(f"Key {id_} of {visible(found[place].owner)} is revoked; a running gateway knows within two seconds.")


def _read(file: Path) -> list[StoredKey]:
    try:
        return list(read_keys(file).keys)
    except ValueError as error:
        raise Failure(f"{error}.") from None


@contextmanager
def _changing(file: Path, *, may_be_new: bool = False) -> Iterator[list[StoredKey]]:
    """The keys of a file, to be changed; written back at the end, unless something was raised. One at a time."""
    try:
        folder = os.open(file.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise Failure(f"{file.absolute().parent}: {error.strerror}.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        found = [] if may_be_new and not file.exists() else _read(file)
        yield found
        _write(file, KeyFile(keys=tuple(found)))
    finally:
        os.close(folder)


def _write(file: Path, content: KeyFile) -> None:
    """The whole file beside the old one, then in its place, with the old one's mode."""
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as out:
        out.write(content.model_dump_json(by_alias=True, indent=2, exclude_none=True) + "\n")
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)
