"""Events as orders writes them, and an empty alerts database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Protocol

import pytest

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class MakeEvent(Protocol):
    """What the `event` fixture is."""

    def __call__(self, number: int = 1, **changes: Any) -> bytes: ...


@pytest.fixture
def event() -> MakeEvent:
    """One event as JSON; `second` moves it in time."""

    def make(number: int = 1, **changes: Any) -> bytes:
        minute, second = divmod(changes.get("second", 0), 60)
        return json.dumps(
            {
                "specversion": "1.0",
                "id": f"event-{number}",
                "source": "orders",
                "type": changes.get("type", "order.created"),
                "time": f"2026-02-01T12:{minute:02}:{second:02}.000Z",
                "traceparent": TRACE,
                "data": {
                    "order_id": 1000 + number,
                    "customer": changes.get("customer", "alice"),
                    "total": changes.get("total", 500),
                    "currency": "EUR",
                    "items": [{"product_id": 1, "quantity": changes.get("quantity", 1)}],
                },
            }
        ).encode()

    return make


@pytest.fixture
def schema() -> str:
    return files("sample_services.alerts").joinpath("schema.sql").read_text("utf-8")


@pytest.fixture
def connection(schema: str) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.executescript(schema)
    yield connection
    connection.close()
