"""What somebody reads who sits on every way between two services: nothing in the mesh, everything without it.

A recording proxy stands before each service (`gatehouse up --via`): what the gateway, or another service, sends there
and gets back passes through it. The same journey runs in both architectures, so that the recorder is known to record.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

SERVICES = ("identity", "orders", "profiles", "storefront")
TLS_HANDSHAKE = b"\x16\x03"
"""How every TLS connection begins, in both directions (RFC 8446 section 5.1)."""


class Recorder:
    """Forwards to `target`, once that is known, and keeps all that passes."""

    def __init__(self) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        self.target = 0
        self.known = threading.Event()
        self.passed: list[bytearray] = []
        """One for each direction of each connection."""
        threading.Thread(target=self._accept, daemon=True).start()

    def forward_to(self, port: int) -> None:
        """Where what passes goes on to."""
        self.target = port
        self.known.set()

    def everything(self) -> bytes:
        """What passed, in both directions."""
        return b"\n".join(map(bytes, self.passed))

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:  # the test is over
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.known.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        kept = bytearray()
        self.passed.append(kept)
        try:
            while data := one.recv(65_536):
                kept += data
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # either side has gone
        finally:
            one.close()


@pytest.fixture(scope="module")
def recorded(start_shop: Any, start_mesh: Any) -> Iterator[Any]:
    """recorded("mesh") or recorded("gateway"): that architecture with recorders in it; started once."""
    with ExitStack() as stack:
        known: dict[str, tuple[Any, dict[str, Recorder]]] = {}

        def start(architecture: str) -> tuple[Any, dict[str, Recorder]]:
            if architecture not in known:
                recorders = {name: Recorder() for name in SERVICES}
                for one in recorders.values():
                    stack.enter_context(closing(one.listening))
                words = [word for name, one in recorders.items() for word in ("--via", f"{name}={one.address}")]
                if architecture == "mesh":
                    mesh = stack.enter_context(start_mesh("", *words))
                    shop, ports = mesh.shop, {name: _inbound(mesh.shop, name) for name in SERVICES}
                else:
                    shop = stack.enter_context(start_shop(*words))
                    ports = shop.ports
                for name, one in recorders.items():
                    one.forward_to(ports[name])
                known[architecture] = shop, recorders
            return known[architecture]

        yield start


def _inbound(shop: Any, service: str) -> int:
    """What `gatehouse ps` shows: control knows the recorder's address only."""
    return int(shop.processes()[f"{service}-sidecar"]["port"])


@pytest.fixture
def journey(until: Any) -> Any:
    """journey(shop): what a customer does; the secrets and the personal data that it moved about."""

    def travel(shop: Any) -> dict[str, bytes]:
        login = {"username": "alice", "password": shop.secrets["users"]["alice"]}
        token = until(lambda: shop.send("POST", "/auth/login", json=login).json().get("access_token"))
        until(lambda: shop.send("GET", "/orders/1001", token=token).status == 200)
        shop.order(token, (2, 1))
        query = {"query": "{ me { username profile { fullName email city } orders { id status } } }"}
        screen = until(lambda: _whole(shop.send("POST", "/graphql", json=query, token=token).json()))
        profile = screen["data"]["me"]["profile"]
        return {
            "her password": login["password"].encode(),
            "her token": token.encode(),
            "any token": b"eyJ",
            "her name": profile["fullName"].encode(),
            "her address": profile["email"].encode(),
            "a path": b"/orders",
            "a method": b"GET /",
            "a field": b"uthorization:",
            "a status": b"HTTP/1.1 200",
            "an item": b'"product_id"',
        }

    return travel


def _whole(document: dict[str, Any]) -> dict[str, Any] | None:
    """An answer that every service had a part in."""
    return document if "errors" not in document and json.dumps(document).count("null") == 0 else None


def test_in_the_mesh_nothing_can_be_read_on_any_way(recorded: Any, journey: Any) -> None:
    shop, recorders = recorded("mesh")
    needles = journey(shop)
    for name, one in recorders.items():
        everything = one.everything()
        assert len(everything) > 1_000, f"nothing passed on the way to {name}"
        plain = [bytes(stream[:200]) for stream in one.passed if stream and stream[:2] != TLS_HANDSHAKE]
        assert not plain, f"on the way to {name}"
        for what, needle in needles.items():
            assert needle not in everything, f"{what} can be read on the way to {name}"


def test_without_it_all_of_it_can(recorded: Any, journey: Any) -> None:
    """The very same recorders, the very same journey."""
    shop, recorders = recorded("gateway")
    needles = journey(shop)
    everything = {name: one.everything() for name, one in recorders.items()}
    for what, needle in needles.items():
        assert any(needle in one for one in everything.values()), what
    for name, one in everything.items():
        assert b"HTTP/1.1 200" in one, name
    assert b"eyJ" in everything["orders"]
    assert needles["her address"] in everything["profiles"]
    assert needles["her password"] in everything["identity"]


def test_the_recorder_shows_in_nobodys_numbers(recorded: Any, until: Any) -> None:
    """Whoever only forwards TLS is not seen, and has no part in it: each end has proven itself to the other."""
    shop, _ = recorded("mesh")
    edges = until(lambda: shop.admin("GET", "/mesh/topology").json()["edges"])
    inside = [one for one in edges if one["source"] != "clients"]
    assert {one["encrypted"] for one in inside} == {1}
    assert all(one["security"] == ["mutual_tls"] for one in inside)
