"""Asking a helper over HTTP: an issuer for its keys or a token's state, a service whether a request may pass.

The problem: a helper that is slow, sends elsewhere or answers without end takes the gateway with it, and a connection
for each question costs more than the question. The rule: it is a cluster of the configuration, asked over its kept
connections within its bounds; redirects are not followed; time and size are bounded; when one endpoint cannot be
connected to, the next is tried. Whatever goes wrong is one exception, in words for the log.

A question changes nothing at whoever is asked, so it is asked once more when a kept connection closed under it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, NamedTuple

from gateway.http.client import ClientConnection
from gateway.http.messages import Headers, Request, Response
from gateway.upstream.cluster import Cluster, Unavailable
from gateway.upstream.endpoint import Endpoint

MAX_BYTES: Final = 65_536
MAX_TRIES: Final = 3


class Unanswered(Exception):
    """There is no usable answer, and why."""


class Answer(NamedTuple):
    """What a helper said."""

    status: int
    headers: Headers
    body: bytes

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, by its name in lower case."""
        return [value for field, value in self.headers if field == name]


async def ask(
    cluster: Cluster,
    method: str,
    path: str,
    *,
    timeout: float,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Answer:
    """The answer of one of the cluster's endpoints; `timeout` in seconds covers all of it, `path` goes out as it is.

    Raises:
        Unanswered: nobody can be connected to, time is up, or the answer is larger than 64 KiB or none at all.
    """
    question = _Question(cluster, method, _head(method, path, headers or {}, body))
    try:
        async with asyncio.timeout(timeout):
            question.begin()
            return await question.answer
    except TimeoutError:
        raise Unanswered(f"no answer within {timeout:g} s") from None
    finally:
        question.end()


def _head(method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> tuple[str, bytes]:
    """First line, and everything below it but the host, which is the endpoint's unless it is among the headers."""
    lines = [f"{name}: {value}" for name, value in headers.items()]
    lines.append("accept-encoding: identity")  # what is inflated has no size before it has taken its memory
    if body is not None or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body or b'')}")
    if any("\r" in one or "\n" in one for one in (method, path, *lines)):
        raise Unanswered("a line break in what was to be asked")
    rest = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (body or b"")
    hosted = any(name.lower() == "host" for name in headers)
    return f"{method} {path} HTTP/1.1\r\n" + ("" if hosted else "host: {}\r\n"), rest


def _host(endpoint: Endpoint) -> str:
    """What an endpoint is called: by its name, where it is connected to by address and known by name."""
    if endpoint.authority == endpoint.address:
        return endpoint.address
    default = 443 if endpoint.cluster.tls else 80
    return endpoint.server_name if endpoint.port == default else endpoint.authority


class _Question:
    """One question: waits for a connection (see gateway.upstream.cluster.Waiter), then calls on it (Caller)."""

    def __init__(self, cluster: Cluster, method: str, head: tuple[str, bytes]) -> None:
        self._cluster = cluster
        self._first, self._rest = head
        self.request = Request(method, "", "", [], {}, "")
        self._tried: list[Endpoint] = []
        self._repeated = False
        self._connection: ClientConnection | None = None
        self._response: Response | None = None
        self._body = b""
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def begin(self, *, fresh: bool = False) -> None:
        """Get a connection: now, or told later."""
        try:
            taken = self._cluster.acquire(self, fresh, self._tried)
        except Unavailable as error:
            self._fail(error.reason)
            return
        if taken is not None:
            self.connected(*taken)

    def end(self) -> None:
        """Nobody waits any more, or the answer is there."""
        self.answer.cancel()
        self._cluster.forget(self)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.cancel()

    # -- the pool --------------------------------------------------------------------------------------------

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Ask."""
        if self.answer.done():
            endpoint.released(connection, reusable=True)
            return
        self._connection = connection
        connection.send(self, self.request, self._first.format(_host(endpoint)).encode("latin-1") + self._rest, True)

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None:
        """To the next endpoint, if there is one that was not tried."""
        if endpoint is not None:
            self._tried.append(endpoint)
        others = any(one not in self._tried for one in self._cluster.endpoints)
        if self.answer.done():
            return
        if endpoint is None or not others or len(self._tried) == MAX_TRIES:
            self._fail(reason)
        else:
            self.begin()

    # -- the connection --------------------------------------------------------------------------------------

    def answer_interim(self, interim: Response) -> None:
        """The answer is still to come."""

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        """Whoever answered."""
        self._response = response
        self.answer_data(body, end)

    def answer_data(self, data: bytes, end: bool) -> None:
        """Keep it, within the bound."""
        self._body += data
        if end:  # the connection is back in its pool
            self._connection = None
        if len(self._body) > MAX_BYTES:
            self._fail(f"more than {MAX_BYTES} bytes")
        elif end and not self.answer.done():
            assert self._response is not None
            self.answer.set_result(Answer(self._response.status, self._response.headers, self._body))

    def answer_upgraded(self, response: Response) -> None:
        """Never: a question is no handshake."""

    def answer_failed(self, reason: str, reused: bool) -> None:
        """A kept connection that closed before it said anything is nobody's failure: ask on a fresh one."""
        self._connection = None
        if reused and not self._repeated and not self.answer.done():
            self._repeated = True
            self.begin(fresh=True)
        else:
            self._fail(reason)

    def upstream_slow(self) -> None:
        """Questions are small."""

    def upstream_ready(self) -> None:
        """Likewise."""

    def _fail(self, reason: str) -> None:
        if not self.answer.done():
            self.answer.set_exception(Unanswered(reason))
