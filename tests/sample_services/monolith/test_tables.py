"""Tables side by side: no name twice, and every module's first rows once."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from sample_services.kit.component import Component
from sample_services.kit.service import Service
from sample_services.kit.settings import Settings
from sample_services.monolith.modules import MODULES
from sample_services.monolith.tables import NamesClash, joined, names, seed_new


async def nothing(_: Service) -> None:
    """Sets up nothing."""


def component(name: str, schema: str) -> Component:
    def seed(connection: sqlite3.Connection, settings: Settings) -> None:
        connection.execute(f"INSERT INTO {name} VALUES (?)", (settings.service,))

    return Component(name, nothing, schema, seed)


ONE = component("one", "CREATE TABLE IF NOT EXISTS one (x TEXT); CREATE INDEX IF NOT EXISTS by_x ON one (x);")
TWO = component("two", "CREATE TABLE IF NOT EXISTS two (x TEXT);")


def test_the_shops_modules_fit_into_one_database() -> None:
    found = names(joined([module.component for module in MODULES]))
    assert {"product", "purchase", "outbox", "profiles", "credential_resets", "review", "seeded"} <= found


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE IF NOT EXISTS one (other TEXT);",
        "CREATE TABLE IF NOT EXISTS ONE (other TEXT);",
        "CREATE TABLE mine (x TEXT); CREATE INDEX by_x ON mine (x);",
    ],
)
def test_a_name_that_two_have_stops_the_start(schema: str) -> None:
    with pytest.raises(NamesClash, match="is made by three and by one"):
        joined([ONE, TWO, component("three", schema)])


def test_nobody_takes_the_monoliths_own_table() -> None:
    with pytest.raises(NamesClash, match="by the monolith itself"):
        joined([component("bad", "CREATE TABLE seeded (x TEXT);")])


def test_a_module_that_comes_later_is_seeded_then_and_the_others_are_not_again(tmp_path: Path) -> None:
    database = sqlite3.connect(":memory:")
    database.row_factory = sqlite3.Row
    settings = {name: Settings(service=name, instance="m-1", data_dir=tmp_path) for name in ("one", "two")}
    database.executescript(joined([ONE]))
    assert seed_new(database, [(ONE, settings["one"])]) == ["one"]
    database.executescript(joined([ONE, TWO]))
    assert seed_new(database, [(ONE, settings["one"]), (TWO, settings["two"])]) == ["two"]
    rows = {name: [row["x"] for row in database.execute(f"SELECT x FROM {name}")] for name in ("one", "two")}
    assert rows == {"one": ["one"], "two": ["two"]}
