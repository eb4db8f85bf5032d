"""Refresh tokens: used once, in time, by their client; reuse ends the family."""

from __future__ import annotations

import sqlite3

import pytest

from sample_services.identity import sessions
from sample_services.identity.sessions import Refused, Session

NOW = 1_000_000.0
ALICE = Session("s-alice", "alice", "shop", "orders:read")


@pytest.fixture
def opened(connection: sqlite3.Connection) -> sqlite3.Connection:
    sessions.open_session(connection, ALICE, "r1", NOW)
    return connection


def rotate(connection: sqlite3.Connection, old: str, new: str, client: str = "shop", at: float = NOW) -> str:
    """`ok`, or why not."""
    outcome = sessions.rotate(connection, old, new, client, at)
    return outcome.why if isinstance(outcome, Refused) else "ok"


def test_a_chain_of_rotations(opened: sqlite3.Connection) -> None:
    assert [rotate(opened, f"r{n}", f"r{n + 1}") for n in range(1, 6)] == ["ok"] * 5
    assert sessions.is_active(opened, "s-alice", NOW)


def test_reuse_ends_the_whole_family(opened: sqlite3.Connection) -> None:
    rotate(opened, "r1", "r2")
    rotate(opened, "r2", "r3")
    assert rotate(opened, "r1", "thief") == "reused"
    assert rotate(opened, "r3", "r4") == "ended"
    assert rotate(opened, "thief", "r5") == "unknown"
    assert not sessions.is_active(opened, "s-alice", NOW)


def test_reuse_ends_only_that_family(opened: sqlite3.Connection) -> None:
    sessions.open_session(opened, Session("other", "alice", "shop", ""), "o1", NOW)
    rotate(opened, "r1", "r2")
    rotate(opened, "r1", "thief")
    assert rotate(opened, "o1", "o2") == "ok"


def test_the_token_of_another_client_is_refused_and_stays_good(opened: sqlite3.Connection) -> None:
    assert rotate(opened, "r1", "r2", client="partner") == "wrong_client"
    assert rotate(opened, "r1", "r2") == "ok"


def test_lifetimes(opened: sqlite3.Connection) -> None:
    just = sessions.REFRESH_LIFETIME_S - 1
    at = NOW
    number = 1
    while at + just < NOW + sessions.SESSION_LIFETIME_S:  # every token in time, until the session itself is over
        at += just
        assert rotate(opened, f"r{number}", f"r{number + 1}", at=at) == "ok"
        number += 1
    assert rotate(opened, f"r{number}", "x", at=NOW + sessions.SESSION_LIFETIME_S) == "expired"


def test_a_token_that_waited_too_long(opened: sqlite3.Connection) -> None:
    assert not sessions.is_usable(opened, "r1", NOW + sessions.REFRESH_LIFETIME_S)
    assert rotate(opened, "r1", "r2", at=NOW + sessions.REFRESH_LIFETIME_S) == "expired"


def test_end_all_spares_other_users(opened: sqlite3.Connection) -> None:
    sessions.open_session(opened, Session("a2", "alice", "shop", ""), "a2", NOW)
    sessions.open_session(opened, Session("b", "bob", "shop", ""), "b1", NOW)
    assert sessions.end_all(opened, "alice", "test", NOW) == 2
    assert sessions.end_all(opened, "alice", "test", NOW) == 0
    assert rotate(opened, "a2", "x") == "ended"
    assert rotate(opened, "b1", "b2") == "ok"


def test_sessions_per_user_are_bounded(opened: sqlite3.Connection) -> None:
    for number in range(sessions.MAX_SESSIONS_PER_USER):
        session = Session(f"s{number}", "alice", "shop", "")
        sessions.open_session(opened, session, f"t{number}", NOW + 1 + number)
    count = opened.execute("SELECT count(*) FROM sessions").fetchone()[0]
    assert count == sessions.MAX_SESSIONS_PER_USER
    assert rotate(opened, "r1", "r2") == "unknown"  # the oldest made room
    assert opened.execute("SELECT count(*) FROM refresh_tokens").fetchone()[0] == count


def test_used_tokens_are_remembered_as_long_as_their_session(opened: sqlite3.Connection) -> None:
    rotate(opened, "r1", "r2")
    sessions.forget_old(opened, NOW + sessions.SESSION_LIFETIME_S - 1)
    assert rotate(opened, "r1", "thief") == "reused"
    sessions.forget_old(opened, NOW + sessions.SESSION_LIFETIME_S + 1)
    assert rotate(opened, "r1", "thief") == "unknown"


def test_only_digests_are_stored(opened: sqlite3.Connection) -> None:
    assert "r1" not in "\n".join(opened.iterdump())
