"""One health check: a connection of its own, a request, and the status of the answer.

The problem: the endpoint that is asked may be sick in every way, and nobody must suffer from asking. The rule: a fresh
connection each time (so that accepting is a part of the question), over the cluster's own TLS; one time limit for
all of it; only the head is read, within the bound for heads, and then the connection is gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.http.client import ClientConnection
from gateway.http.messages import Request, Response

if TYPE_CHECKING:
    from gateway.upstream.endpoint import Endpoint
    from gateway.upstream.tls import UpstreamTls


class Failed(Exception):
    """There was no readable answer of the endpoint itself; the reason is one that exchanges know, too."""

    @property
    def by_tls(self) -> bool:
        """Whether somebody else was there."""
        return self.args == ("upstream_tls_failure",)


class _Probe:
    """Owner and caller of one connection (see gateway.http.partners)."""

    def __init__(self) -> None:
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        if not self.status.done():
            self.status.set_result(response.status)

    def answer_failed(self, reason: str, reused: bool) -> None:
        if not self.status.done():
            self.status.set_exception(Failed(reason))

    def answer_interim(self, interim: Response) -> None: ...

    def answer_data(self, data: bytes, end: bool) -> None: ...

    def answer_upgraded(self, response: Response) -> None: ...

    def upstream_slow(self) -> None: ...

    def upstream_ready(self) -> None: ...

    def released(self, connection: ClientConnection, reusable: bool) -> None: ...

    def lost(self, connection: ClientConnection) -> None: ...


async def probe(endpoint: Endpoint, path: str, host: str, tls: UpstreamTls | None) -> int:
    """The status with which an endpoint answers `GET path`; whoever asks sets the time limit.

    Raises:
        OSError, Unusable: no connection, or none that could prove who it is.
        Failed: somebody else is there than should be, or there is no answer, or an unreadable one.
    """
    one = _Probe()
    head = (
        f"GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: gatehouse-health-check\r\n"
        "accept: */*\r\nconnection: close\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    options = tls.options(endpoint.server_name) if tls else {}
    _, connection = await loop.create_connection(lambda: ClientConnection(one), endpoint.host, endpoint.port, **options)
    try:
        if connection.transport.is_closing():  # closed by the other side before we could use it
            raise Failed("upstream_reset")
        if tls is not None and not tls.admits(connection):
            raise Failed("upstream_tls_failure")
        connection.send(one, Request("GET", path, "", [], {}, host), head.encode("latin-1"), end=True)
        return await one.status
    finally:
        connection.cancel()
