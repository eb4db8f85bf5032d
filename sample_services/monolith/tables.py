"""One database for all modules: their tables side by side.

The problem: nothing keeps two modules from naming a table alike, and `CREATE TABLE IF NOT EXISTS` then gives the second
one the first one's table, with its columns and its rows. The rule: each schema is tried by itself in an empty database,
and a name that two of them make stops the start. What separate databases give for nothing, one database has to check.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from typing import Final

from sample_services.kit.component import Component
from sample_services.kit.settings import Settings

SEEDED: Final = "CREATE TABLE IF NOT EXISTS seeded (module TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;"
"""Which modules have their first rows: one that a later version brings finds a database that is not new."""


class NamesClash(Exception):
    """Two modules make something of the same name."""


def joined(components: Sequence[Component]) -> str:
    """One schema for all.

    Raises:
        NamesClash: two of them name a table, an index, a view or a trigger alike.
    """
    owners: dict[str, str] = dict.fromkeys(names(SEEDED), "the monolith itself")
    for component in components:
        for name in sorted(names(component.schema or "")):
            if (other := owners.setdefault(name, component.name)) != component.name:
                raise NamesClash(f"{name} is made by {component.name} and by {other}: one of them has to rename it")
    return "\n".join([SEEDED, *(component.schema or "" for component in components)])


def names(schema: str) -> set[str]:
    """What a schema makes, without what SQLite makes for itself."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript(schema)
        found = database.execute("SELECT lower(name) FROM sqlite_master WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        return {str(name) for (name,) in found}


def seed_new(connection: sqlite3.Connection, modules: Sequence[tuple[Component, Settings]]) -> list[str]:
    """Give those modules their first rows that have none yet; their names. Runs in one transaction."""
    known = {row["module"] for row in connection.execute("SELECT module FROM seeded")}
    new = [(component, settings) for component, settings in modules if component.name not in known]
    for component, settings in new:
        component.seed(connection, settings)
        connection.execute("INSERT INTO seeded VALUES (?)", (component.name,))
    return [component.name for component, _ in new]
