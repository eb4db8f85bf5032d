import sqlite3
from collections.abc import Iterator

import pytest

from sample_services.kit.problems import Problem
from sample_services.profiles import seeds, store
from sample_services.profiles.model import Changes


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    connection.executescript(store.SCHEMA)
    seeds.fill(connection)
    yield connection
    connection.close()


def _refused(status: int, reason: str) -> "pytest.RaisesExc[Problem]":
    return pytest.raises(Problem, match=f"^{status} {reason}")


def test_the_demo_users_are_seeded(connection: sqlite3.Connection) -> None:
    names = [profile.username for profile in store.read_many(connection, ["alice", "bob", "carol", "admin"])]
    assert names == ["alice", "bob", "carol", "admin"]


def test_a_profile_is_created_once(connection: sqlite3.Connection) -> None:
    new = seeds.people()[0].model_copy(update={"username": "zelda"})
    assert store.create(connection, new).version == 1
    assert store.read(connection, "zelda").email == new.email
    with _refused(409, "profile_exists"):
        store.create(connection, new)


def test_an_update_changes_the_given_fields_and_the_version(connection: sqlite3.Connection) -> None:
    before = store.read(connection, "bob")
    after = store.update(connection, "bob", Changes(city="Elsewhere"), 1)
    assert after == before.model_copy(update={"city": "Elsewhere", "version": 2})
    assert store.read(connection, "bob") == after
    assert store.read(connection, "alice").city == "Sampleton"


def test_an_update_of_an_old_version_changes_nothing(connection: sqlite3.Connection) -> None:
    store.update(connection, "bob", Changes(city="First"), 1)
    with _refused(412, "version_conflict"):
        store.update(connection, "bob", Changes(city="Second"), 1)
    assert store.read(connection, "bob").city == "First"


def test_a_dropped_profile_is_gone_until_it_is_restored(connection: sqlite3.Connection) -> None:
    store.drop(connection, "bob", None, now=1.0)
    with _refused(410, "profile_dropped"):
        store.read(connection, "bob")
    with _refused(409, "profile_dropped"):
        store.create(connection, seeds.people()[1])
    with _refused(410, "profile_dropped"):
        store.drop(connection, "bob", None, now=2.0)
    assert store.read_many(connection, ["bob", "alice", "nobody"]) == [store.read(connection, "alice")]
    assert store.restore(connection, "bob").version == 3


def test_a_drop_may_name_its_version(connection: sqlite3.Connection) -> None:
    with _refused(412, "version_conflict"):
        store.drop(connection, "bob", 7, now=1.0)
    store.drop(connection, "bob", 1, now=1.0)


def test_what_is_not_there_or_not_dropped_cannot_be_restored(connection: sqlite3.Connection) -> None:
    with _refused(409, "profile_not_dropped"):
        store.restore(connection, "bob")
    with _refused(404, "profile_not_found"):
        store.restore(connection, "nobody")
    with _refused(404, "profile_not_found"):
        store.read(connection, "nobody")
