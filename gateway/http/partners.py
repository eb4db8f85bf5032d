"""What the two kinds of connection and those who use them tell each other.

The problem: a connection must know when its partner can take more, has gone, or is ready, without knowing what it
is. The rule: four small protocols. A client's connection speaks with its `Server` (the listener) and with the
`Exchange` that answers the request in hand; an endpoint's connection with its `Caller` (the same exchange, seen
from the other side) and with its `Owner` (the pool). Messages are those of `gateway.http.messages`, so another wire
version can offer the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from gateway.http.messages import Reply, Request, Response

if TYPE_CHECKING:
    from gateway.http.client import ClientConnection
    from gateway.http.server import ServerConnection


class Exchange(Protocol):
    """What the connection tells the exchange that it carries."""

    def request_data(self, data: bytes) -> None:
        """A piece of the request's body."""

    def request_end(self) -> None:
        """The request's body is complete."""

    def request_refused(self, reply: Reply) -> None:
        """The request's body broke the protocol: answer with this, or break the answer that has begun."""

    def client_gone(self) -> None:
        """The client left; nobody wants the answer."""

    def client_slow(self) -> None:
        """The client's buffer is full: stop the upstream."""

    def client_ready(self) -> None:
        """The client has caught up: let the upstream go on."""


class Server(Protocol):
    """What a connection needs from the listener that accepted it."""

    name: str
    scheme: str
    trusted_hops: int
    max_header_bytes: int
    max_body_bytes: int
    header_timeout: float
    idle_timeout: float
    body_grace: float
    min_body_rate: int
    closing: bool
    clock: Callable[[], float]

    def accepts(self, connection: ServerConnection) -> bool:
        """Whether one more connection may stand; if so it is counted."""

    def left(self, connection: ServerConnection) -> None:
        """A connection has ended."""

    def handle(self, request: Request, connection: ServerConnection) -> None:
        """Answer a request through `connection`."""

    def refuse(self, reply: Reply, connection: ServerConnection) -> bytes:
        """The bytes of an answer to a peer that broke the protocol; also counts it."""


class Caller(Protocol):
    """What the connection tells the exchange that uses it."""

    def answer_interim(self, interim: Response) -> None:
        """The head of an informational answer (1xx, never 101); the answer is still to come."""

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        """The head of the answer, and the first bytes of its body."""

    def answer_data(self, data: bytes, end: bool) -> None:
        """More of the body."""

    def answer_upgraded(self, response: Response) -> None:
        """The endpoint has switched to WebSocket; what follows is `answer_data`."""

    def answer_failed(self, reason: str, reused: bool) -> None:
        """No complete answer will come; `reused` when a kept connection closed before any byte."""

    def upstream_slow(self) -> None:
        """The endpoint's buffer is full: stop the client."""

    def upstream_ready(self) -> None:
        """The endpoint has caught up."""


class Owner(Protocol):
    """The pool that a connection returns to."""

    def released(self, connection: ClientConnection, reusable: bool) -> None:
        """A complete answer was read."""

    def lost(self, connection: ClientConnection) -> None:
        """The connection ended."""
