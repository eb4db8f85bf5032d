"""The records of a new database: always the same ones, so that lessons and tests can name them.

The names are plainly invented; addresses use the .example domain (RFC 2606) and numbers kept for fiction
(+1 555 555 01xx).
"""

from __future__ import annotations

import sqlite3

from sample_services.profiles import store
from sample_services.profiles.model import NewProfile

_PEOPLE = (
    ("alice", "Alice Sample", "Avenue", 120),
    ("bob", "Bob Sample", "Brook Street", 45),
    ("carol", "Carol Sample", "Canal Street", 0),
    ("admin", "Ada Minster", "Dock Road", 0),
    ("dora", "Dora Sample", "Elm Lane", 310),
    ("emil", "Emil Sample", "Fern Lane", 5),
    ("fatou", "Fatou Sample", "Garden Row", 80),
    ("goro", "Gorō Sample", "Harbour Street", 15),
    ("hana", "Hana Sample", "Island Road", 220),
    ("ines", "Inés Sample", "Juniper Lane", 60),
)


def people() -> list[NewProfile]:
    """The profiles of a new shop."""
    return [_person(number, *row) for number, row in enumerate(_PEOPLE, start=1)]


def fill(connection: sqlite3.Connection) -> None:
    """Write them; called once, when the database is new."""
    for person in people():
        store.create(connection, person)


def _person(number: int, username: str, full_name: str, street: str, points: int) -> NewProfile:
    return NewProfile(
        username=username,
        full_name=full_name,
        email=f"{username}@shop.example",
        phone=f"+1555555{100 + number:04d}",
        street=f"{street} {number}",
        city="Sampleton",
        postcode=f"SA{number} 1MP",
        country="GB",
        loyalty_points=points,
    )
