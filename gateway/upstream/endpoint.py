"""One address that does a cluster's work, with its kept connections.

The problem: opening a connection costs more than the request it carries. The rule: the connection used last is
used next (LIFO), so that few stay warm and the others grow old and are closed; a request is counted on its
endpoint from the moment it is given a connection until that connection is released or lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http.client import ClientConnection

if TYPE_CHECKING:
    from gateway.upstream.cluster import Cluster


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:80`, `[::1]:80` or `localhost:80`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Endpoint:
    """An endpoint's address and pool."""

    __slots__ = (
        "active",
        "address",
        "authority",
        "cluster",
        "connecting",
        "failures",
        "host",
        "idle",
        "open",
        "port",
        "retired",
    )

    def __init__(self, address: str, cluster: Cluster) -> None:
        self.address = address
        self.host, self.port = split_address(address)
        self.authority = cluster.authorities.get(address, address)
        """Host and port as the configuration names them: what the endpoint is told, and must prove to be."""
        self.cluster = cluster
        self.idle: list[ClientConnection] = []
        self.active = 0
        """Requests in flight."""
        self.open = 0
        """Connections, idle or busy."""
        self.connecting = 0
        self.failures = 0
        """Connection attempts that failed in a row."""
        self.retired = False
        """Whether it gets no more requests: what is in flight ends, nothing is kept."""

    def __repr__(self) -> str:
        return f"<Endpoint {self.address} active={self.active} idle={len(self.idle)} failures={self.failures}>"

    @property
    def server_name(self) -> str:
        """Whose certificate is expected."""
        return split_address(self.authority)[0]

    @property
    def healthy(self) -> bool:
        """Whether the last attempt to connect succeeded, or none was made yet."""
        return self.failures == 0

    def take_idle(self) -> ClientConnection | None:
        """The youngest kept connection that still stands."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.transport.is_closing():
                connection.busy = True  # as `occupy` does, without a call: this runs for every request
                self.active += 1
                return connection
        return None

    def occupy(self, connection: ClientConnection) -> None:
        """Count a request on a connection."""
        connection.busy = True
        self.active += 1

    def released(self, connection: ClientConnection, reusable: bool) -> None:
        """A complete answer was read: keep the connection, hand it on, or close it."""
        connection.busy = False
        self.active -= 1
        cluster = self.cluster
        if not reusable or connection.transport.is_closing() or self.retired:
            connection.transport.close()
        elif cluster.pending:
            cluster.hand_on(connection, self)
        else:
            connection.idle_since = cluster.clock()
            self.idle.append(connection)

    def lost(self, connection: ClientConnection) -> None:
        """The connection ended, by whatever side."""
        self.open -= 1
        if connection.busy:
            connection.busy = False
            self.active -= 1
        elif connection in self.idle:
            self.idle.remove(connection)
        self.cluster.connection_freed()

    def sweep(self, now: float) -> None:
        """Close connections that were idle for too long; the oldest stand first."""
        limit = now - self.cluster.spec.idle_timeout
        while self.idle and self.idle[0].idle_since < limit:
            self.idle.pop(0).transport.close()

    def retire(self) -> None:
        """Close the kept connections, and keep none from now on."""
        self.retired = True
        self.close()

    def close(self) -> None:
        """Close the kept connections."""
        while self.idle:
            self.idle.pop().transport.close()


class LimitedEndpoint(Endpoint):
    """An endpoint of a cluster with `maxRequestsPerConnection`; where there is no such limit nothing is compared."""

    __slots__ = ()

    def released(self, connection: ClientConnection, reusable: bool) -> None:
        """Not another request on a connection that has carried its share."""
        limit = self.cluster.spec.max_requests_per_connection
        super().released(connection, reusable and connection.requests < limit)
