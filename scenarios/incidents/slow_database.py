"""Somebody's maintenance job holds orders' database."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from scenarios.incidents.bench import Bench
from scenarios.incidents.load import alongside
from scenarios.incidents.metrics import Quantile, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import seconds

HELD, PAUSE = 1.2, 0.3
"""Seconds: for so long the lock is held, and for so long the others have it. SQLite lets them wait for two seconds."""


def inject(bench: Bench) -> None:
    """Take the write lock again and again, from another process than the service's."""
    file, stop = bench.database("orders"), threading.Event()
    bench.running.enter_context(alongside(lambda: hold(file, stop), stop.set))


def hold(file: Path, stop: threading.Event) -> None:
    """A job that does its work in long transactions. In WAL mode readers go on (https://sqlite.org/wal.html)."""
    with closing(sqlite3.connect(file, isolation_level=None, timeout=10.0)) as connection:
        while not stop.wait(PAUSE):
            connection.execute("BEGIN IMMEDIATE")
            stop.wait(HELD)
            connection.execute("ROLLBACK")


INCIDENT = Incident(
    id="slow-database",
    kind="A database answers late.",
    ticket="Customers say that ordering takes for ever. Looking at things is as quick as always.",
    services=("orders",),
    inject=inject,
    signal=Signal(
        says="the slowest 5 % of orders placed",
        expression=Quantile(
            0.95, Select("http_server_request_duration_seconds_bucket", {"http_route": "orders-write"})
        ),
        above=0.75,
        shown=seconds,
    ),
    what="A job outside of the shop held the write lock of orders' database, 1.2 s at a time; readers never waited.",
    look=(
        "Which routes are slow, and which of the same service are not? Console, table of routes: column p95.",
        "Open a trace of a slow request (console, or gatehouse trace): which span takes the time?",
        "The span 'orders db.write …' is long and its SQL is trivial: it waits for its turn, it does not work.",
    ),
    elsewhere={
        "gateway": "The gateway's own part of the trace is a few milliseconds.",
        "identity": "Tokens are checked without asking identity: it is not in these traces.",
        "storefront": "Orders are placed past the storefront, by the gateway directly.",
        "payments": "Nothing in these traces goes to payments.",
    },
    otherwise={
        "memory-leak": "Its memory does not grow (gatehouse ps).",
        "retry-storm": "Each request is tried once: gateway_retries_total stands still.",
        "noisy-neighbour": "Nobody is refused by a limit: there is no 429.",
        "error-burst": "Nothing was deployed (gatehouse ps: versions, uptimes), and few fail: they wait.",
        "dead-third-party": "No span leads to a third party.",
    },
    mend="Find who holds the lock and end it; give jobs short transactions; let writers give up earlier than callers.",
    difficulty=2,
    minutes=10,
)
