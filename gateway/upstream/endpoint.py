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
    from gateway.upstream.health import Health
    from gateway.upstream.outliers import Outlier


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:80`, `[::1]:80` or `localhost:80`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


class Endpoint:
    """An endpoint's address and pool."""

    __slots__ = (
        "active", "address", "authority", "cluster", "connecting", "failures", "health", "host", "idle", "open",
        "outlier", "port", "retired", "usable", "weight",
    )  # fmt: skip

    def __init__(self, address: str, cluster: Cluster) -> None:
        self.address = address
        self.host, self.port = split_address(address)
        self.authority = cluster.authorities.get(address, address)
        """Host and port as the configuration names them: what the endpoint is told, and must prove to be."""
        self.cluster = cluster
        self.weight = 1
        """Its share in comparison with the others'; the cluster sets it."""
        self.idle: list[ClientConnection] = []
        self.active = 0
        """Requests in flight."""
        self.open = 0
        """Connections, idle or busy."""
        self.connecting = 0
        self.failures = 0
        """Connection attempts that failed in a row."""
        self.usable = True
        """Neither ejected nor found unhealthy; only the cluster sets this."""
        self.retired = False
        """Whether the cluster no longer has it: what is in flight ends, nothing is kept."""
        self.outlier: Outlier | None = None
        """What outlier detection remembers of it, where there is such."""
        self.health: Health | None = None
        """What its health checks said, where there are such."""

    def __repr__(self) -> str:
        return f"<Endpoint {self.address} active={self.active} idle={len(self.idle)} failures={self.failures}>"

    @property
    def server_name(self) -> str:
        """Whose certificate is expected."""
        return split_address(self.authority)[0]

    @property
    def healthy(self) -> bool:
        """Whether nothing speaks against it: the last attempt to connect, health checks, its answers."""
        return self.usable and self.failures == 0

    def state(self, now: float) -> tuple[str, str]:
        """`healthy`, `unhealthy`, `ejected` or `unreachable` (still used, since nothing checks it); and why."""
        if self.health is not None and not self.health.passing:
            return "unhealthy", f"health check: {self.health.why}"
        if self.outlier is not None and self.outlier.until:
            return "ejected", f"{self.outlier.why}, {max(0.0, self.outlier.until - now):.0f} s left"
        if self.failures:
            return "unreachable", f"{self.failures} attempt{'s' * (self.failures > 1)} to connect failed"
        return "healthy", ""

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
