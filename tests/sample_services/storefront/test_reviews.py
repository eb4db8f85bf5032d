"""Reviews in SQLite: batched reading, idempotent writing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import pytest

from sample_services.storefront import reviews
from sample_services.storefront.reviews import Rating, Review

SCHEMA = files("sample_services.storefront").joinpath("schema.sql").read_text(encoding="utf-8")
FIRST = Review("1", "alice", 4, "Good.", "2026-01-01T00:00:00+00:00")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(SCHEMA)
    yield connection
    connection.close()


def test_writing_the_same_again_changes_nothing_not_even_the_date(connection: sqlite3.Connection) -> None:
    assert reviews.save(connection, FIRST) == FIRST
    assert reviews.save(connection, replace(FIRST, created="2026-02-02T00:00:00+00:00")) == FIRST


def test_another_opinion_replaces_the_first(connection: sqlite3.Connection) -> None:
    reviews.save(connection, FIRST)
    second = replace(FIRST, stars=1, created="2026-02-02T00:00:00+00:00")
    assert reviews.save(connection, second) == second
    assert reviews.latest(connection, 10) == [second]


def test_latest_by_product_takes_the_latest_of_each(connection: sqlite3.Connection) -> None:
    for day, author in enumerate(["alice", "bob", "carol"], start=1):
        for product in ("1", "2"):
            reviews.save(connection, Review(product, author, 3, author, f"2026-01-0{day}T00:00:00+00:00"))
    found = reviews.latest_by_product(connection, ["1", "2", "3"], 2)
    assert {product: [review.author for review in some] for product, some in found.items()} == {
        "1": ["carol", "bob"],
        "2": ["carol", "bob"],
    }


def test_ratings(connection: sqlite3.Connection) -> None:
    for author, stars in (("alice", 5), ("bob", 4), ("carol", 4)):
        reviews.save(connection, Review("1", author, stars, "…", "2026-01-01T00:00:00+00:00"))
    assert reviews.ratings(connection, ["1", "2"]) == {"1": Rating(4.33, 3)}


@pytest.mark.parametrize("wrong", [{"stars": 0}, {"stars": 6}, {"text": ""}, {"text": "x" * 2001}])
def test_the_database_itself_refuses_impossible_reviews(
    connection: sqlite3.Connection, wrong: dict[str, int | str]
) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        reviews.save(connection, replace(FIRST, **wrong))  # type: ignore[arg-type]
