"""Profiles in SQLite: plain functions of a connection, each run inside one transaction by the caller.

The problem: two people change the same record, and the second overwrites what the first wrote without having seen
it (a lost update). The rule: every change names the version that it was based on, and the row is changed only when
that is still its version.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from importlib.resources import files

from sample_services.kit.problems import Problem
from sample_services.profiles.model import Changes, NewProfile, Profile

SCHEMA = files(__package__).joinpath("schema.sql").read_text("utf-8")

_SELECT = (
    "SELECT username, full_name, email, phone, street, city, postcode, country, loyalty_points, version, dropped_at"
    " FROM profiles"
)


def create(connection: sqlite3.Connection, new: NewProfile) -> Profile:
    """Keep a new profile.

    Raises:
        Problem: 409 `profile_exists`, or `profile_dropped` when it waits to be recovered.
    """
    row = _row(connection, new.username)
    if row is not None and row["dropped_at"] is not None:
        raise Problem(409, "profile_dropped", "a dropped profile has this username; support can recover it")
    if row is not None:
        raise Problem(409, "profile_exists", "a profile has this username")
    connection.execute(
        "INSERT INTO profiles (username, full_name, email, phone, street, city, postcode, country, loyalty_points)"
        " VALUES (:username, :full_name, :email, :phone, :street, :city, :postcode, :country, :loyalty_points)",
        new.model_dump(),
    )
    return Profile(**new.model_dump(), version=1)


def read(connection: sqlite3.Connection, username: str) -> Profile:
    """The profile with this username.

    Raises:
        Problem: 404 `profile_not_found`, 410 `profile_dropped`.
    """
    row = _row(connection, username)
    if row is None:
        raise Problem(404, "profile_not_found", "no profile has this username")
    if row["dropped_at"] is not None:
        raise Problem(410, "profile_dropped", "this profile was dropped; support can recover it")
    return _profile(row)


def read_many(connection: sqlite3.Connection, usernames: Sequence[str]) -> list[Profile]:
    """The profiles with these usernames, in this order; those that do not exist or were dropped are left out."""
    wanted = " WHERE dropped_at IS NULL AND username IN (SELECT value FROM json_each(?))"
    rows = connection.execute(_SELECT + wanted, (json.dumps(list(usernames)),))
    found = {row["username"]: _profile(row) for row in rows}
    return [found[name] for name in usernames if name in found]


def update(connection: sqlite3.Connection, username: str, changes: Changes, based_on: int) -> Profile:
    """Change the given fields of the version `based_on`.

    Raises:
        Problem: 412 `version_conflict`; 404, 410 as in `read`.
    """
    profile = _at(connection, username, based_on)
    changed = Profile(**{**profile.model_dump(), **changes.given(), "version": based_on + 1})
    connection.execute(
        "UPDATE profiles SET full_name = :full_name, email = :email, phone = :phone, street = :street,"
        " city = :city, postcode = :postcode, country = :country, loyalty_points = :loyalty_points,"
        " version = :version WHERE username = :username",
        changed.model_dump(),
    )
    return changed


def drop(connection: sqlite3.Connection, username: str, based_on: int | None, now: float) -> None:
    """Drop the profile; its row stays, to be recovered. `now` is Unix time in seconds.

    Raises:
        Problem: 412 `version_conflict` when `based_on` is given and old; 404, 410 as in `read`.
    """
    _at(connection, username, based_on)
    connection.execute("UPDATE profiles SET dropped_at = ?, version = version + 1 WHERE username = ?", (now, username))


def restore(connection: sqlite3.Connection, username: str) -> Profile:
    """Bring a dropped profile back.

    Raises:
        Problem: 404 `profile_not_found`, 409 `profile_not_dropped`.
    """
    row = _row(connection, username)
    if row is None:
        raise Problem(404, "profile_not_found", "no profile has this username")
    if row["dropped_at"] is None:
        raise Problem(409, "profile_not_dropped", "only a dropped profile can be recovered")
    connection.execute("UPDATE profiles SET dropped_at = NULL, version = version + 1 WHERE username = ?", (username,))
    return read(connection, username)


def _at(connection: sqlite3.Connection, username: str, version: int | None) -> Profile:
    profile = read(connection, username)
    if version is not None and profile.version != version:
        raise Problem(412, "version_conflict", f"the profile is at version {profile.version} now")
    return profile


def _row(connection: sqlite3.Connection, username: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(f"{_SELECT} WHERE username = ?", (username,)).fetchone()
    return row


def _profile(row: sqlite3.Row) -> Profile:
    return Profile(**{name: row[name] for name in Profile.model_fields})
