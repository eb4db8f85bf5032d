"""Reviews: the one kind of data that the storefront owns.

A page with twenty products wants the latest reviews of each. Asking product by product would be twenty queries,
so every read here takes a list of products and answers all of them at once. The list travels as one JSON
parameter: the SQL text stays constant, whatever its length. These are plain functions on a connection, for
`Database.read` and `Database.write`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

STARS = range(1, 6)
MAX_TEXT = 2_000
"""Characters."""


@dataclass(frozen=True)
class Review:
    """What one user thinks of one product."""

    product_id: str
    author: str
    stars: int
    text: str
    created: str


@dataclass(frozen=True)
class Rating:
    """Mean of the stars (None without reviews) and the number of reviews."""

    average: float | None
    count: int


def latest_by_product(connection: sqlite3.Connection, products: Iterable[str], first: int) -> dict[str, list[Review]]:
    """The `first` latest reviews of each product that has any."""
    rows = connection.execute(
        """
        SELECT product_id, author, stars, text, created FROM (
            SELECT *, row_number() OVER (PARTITION BY product_id ORDER BY created DESC, author) AS place
            FROM review WHERE product_id IN (SELECT value FROM json_each(?))
        ) WHERE place <= ? ORDER BY product_id, place
        """,
        (json.dumps(list(products)), first),
    )
    found: dict[str, list[Review]] = {}
    for row in rows:
        found.setdefault(row["product_id"], []).append(Review(**row))
    return found


def latest(connection: sqlite3.Connection, first: int) -> list[Review]:
    """The `first` latest reviews of all products."""
    rows = connection.execute(
        "SELECT product_id, author, stars, text, created FROM review ORDER BY created DESC, author LIMIT ?",
        (first,),
    )
    return [Review(**row) for row in rows]


def ratings(connection: sqlite3.Connection, products: Iterable[str]) -> dict[str, Rating]:
    """The rating of each product that has reviews."""
    rows = connection.execute(
        """
        SELECT product_id, avg(stars) AS average, count(*) AS count FROM review
        WHERE product_id IN (SELECT value FROM json_each(?)) GROUP BY product_id
        """,
        (json.dumps(list(products)),),
    )
    return {row["product_id"]: Rating(round(row["average"], 2), row["count"]) for row in rows}


def save(connection: sqlite3.Connection, review: Review) -> Review:
    """Writes the review, in place of an earlier one by the same author.

    The same words again change nothing, not even the date: a client that repeats a request after a lost
    answer gets what the first one got.
    """
    connection.execute(
        """
        INSERT INTO review (product_id, author, stars, text, created) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (product_id, author) DO UPDATE
        SET stars = excluded.stars, text = excluded.text, created = excluded.created
        WHERE (stars, text) IS NOT (excluded.stars, excluded.text)
        """,
        (review.product_id, review.author, review.stars, review.text, review.created),
    )
    row = connection.execute(
        "SELECT product_id, author, stars, text, created FROM review WHERE product_id = ? AND author = ?",
        (review.product_id, review.author),
    ).fetchone()
    return Review(**row)
