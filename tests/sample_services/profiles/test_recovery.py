"""The outbox of credential resets: what is written with a recovery, and when it is tried again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from sample_services.profiles import recovery, seeds, store
from sample_services.profiles.recovery import Reset

RESET = Reset("r1", "bob", "lost", "carol", "00-" + "a" * 32 + "-" + "b" * 16 + "-01")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(store.SCHEMA)
    seeds.fill(connection)
    yield connection
    connection.close()


def test_an_intent_is_pending_until_it_is_settled(connection: sqlite3.Connection) -> None:
    assert recovery.next_pending(connection) is None
    recovery.record(connection, RESET, now=10.0)
    assert recovery.next_pending(connection) == (10.0, RESET)
    recovery.settle(connection, "r1", "delivered")
    assert recovery.next_pending(connection) is None


def test_a_postponed_intent_lets_others_go_first(connection: sqlite3.Connection) -> None:
    recovery.record(connection, RESET, now=10.0)
    recovery.record(connection, Reset("r2", "alice", "lost", "carol", ""), now=11.0)
    recovery.postpone(connection, "r1", due_at=20.0)
    found = recovery.next_pending(connection)
    assert found is not None
    assert found[1].id == "r2"
    recovery.settle(connection, "r2", "refused")
    assert recovery.next_pending(connection) == (20.0, Reset(**{**vars(RESET), "attempts": 1}))


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "delivered"),
        (202, "delivered"),
        (204, "delivered"),
        (404, "refused"),
        (422, "refused"),
        (401, None),
        (403, None),
        (429, None),
        (500, None),
        (503, None),
        (302, None),
    ],
)
def test_what_an_answer_means(status: int, outcome: str | None) -> None:
    assert recovery.verdict(status) == outcome


def test_waits_grow_to_a_limit_and_differ() -> None:
    assert [recovery.delay(attempts, lambda: 0.0) for attempts in (0, 1, 2, 10, 10_000)] == [
        0.25,
        0.5,
        1.0,
        15.0,
        15.0,
    ]
    assert recovery.delay(0, lambda: 0.999) == pytest.approx(0.5, abs=0.001)
