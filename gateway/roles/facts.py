"""What is known of an exchange: one request, its answer, and how far they are.

The problem: log, spans, explanations and metrics all tell of an exchange, and none of them may act on it. The rule:
what is known stands here; what happens stands in `deciding`, `exchange` and `ending`, which build on it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from gateway.filters.chain import BodyWanted, Stopped, Waiting
from gateway.http.messages import Reply, Request
from gateway.observability.tracing import Ids, RemoteContext

if TYPE_CHECKING:
    import asyncio

    from gateway.compile.snapshot import CompiledRoute
    from gateway.filters.answers import Held, Stream
    from gateway.filters.chain import Chain
    from gateway.http.client import ClientConnection
    from gateway.http.server import ServerConnection
    from gateway.roles.worker import Worker
    from gateway.upstream.cluster import Cluster
    from gateway.upstream.endpoint import Endpoint
    from gateway.upstream.faults import Fault
    from gateway.upstream.retry import Budget

DECIDING, WAITING, COLLECTING, CONNECTING, BACKING_OFF, SENDING, HOLDING, ANSWERING, TUNNEL, DONE = range(10)
"""The states; their table stands in gateway.roles.exchange."""


class Facts:
    """The state of an exchange."""

    # What an exchange begins with stands on the class, so that making one assigns only what is its own (0.07 µs
    # less than thirty assignments; that it reads as a table is worth more).
    state: int = DECIDING
    sampled: bool = False
    route: CompiledRoute | None = None
    cluster: Cluster | None = None
    upstream: ClientConnection | None = None
    endpoint: Endpoint | None = None
    attempts: int = 0
    retries: int = 0
    """Of the attempts those that the route's `retry` asked for."""
    fault: Fault | None = None
    """What the try in hand meets on purpose."""
    faults: tuple[str, ...] = ()
    """All that was planted into this exchange, in words."""
    status: int = 0
    reason: str = ""
    """Why the gateway answered by itself, or what broke; empty when the upstream's answer went through."""
    decided_by: str = ""
    """`file:line` of the policy that decided, when one did."""
    reply: Reply | None = None
    """What the gateway answered by itself."""
    bytes_received: int = 0
    bytes_sent: int = 0
    deadline: float = 0.0
    try_deadline: float = 0.0
    try_started: float = 0.0
    try_span_id: str = ""
    parent: RemoteContext | None = None
    """The span of a trusted peer that this exchange goes on from."""
    tracestate: bytes = b""
    flags: str = "00"
    """The trace flags that go on when no span of ours is recorded: a parent's own, where we only pass them on."""
    upstream_seconds: float = 0.0
    upstream_status: int = 0
    _begun_answer: bool = False
    _retried: bool = False
    _task: asyncio.Task[None] | None = None
    _early: tuple[bytes, ...] = ()
    """Body that came before there was a connection to send it on; reading is paused, so it stays small."""
    _retry: tuple[str, Budget] | None = None
    """The class that the try in hand, or the wait for it, is a retry for; and whose budget counts it."""
    _tried: tuple[Endpoint, ...] = ()
    """Endpoints that a retry avoids, the latest last."""
    _timer: asyncio.TimerHandle | None = None
    """Ends the wait of BACKING_OFF."""
    _kept: bytearray | None = None
    """What was sent of a streaming body, for another try; None where there is nothing to keep, or too much of it."""
    _kept_limit: int = 0
    _repeatable: bool = True
    """Whether another try could send all that this one has."""
    _wanted: BodyWanted
    _collected: bytearray
    """What the filter at `_wanted.position` wants to see, so far."""
    _held: Held | None = None
    """The answer, as far as it has come, while a filter wants to see all of it first."""
    _back: Chain
    """The filters that the answer goes back through; set where any of them looks at answers."""
    _streams: tuple[Stream, ...] = ()
    """What the answer's body passes through."""
    _rest: list[bytes] | None = None
    """What of a whole answer has not passed them yet, the next slice last."""
    _rest_waits: bool = False
    """Whether the client must catch up first."""

    def __init__(self, worker: Worker, request: Request, connection: ServerConnection) -> None:
        self.worker = worker
        self.request = request
        self.connection = connection
        self.started = self.last_progress = worker.clock()
        self.ids = Ids(worker.random)
        self._request_complete = request.length == 0
        self.outcome: Stopped | Waiting | None = None  # not above: mypyc forgets None where it stands for one of three
        """The last filter that did not let pass at once; left alone by requests that no filter holds up."""

    def __repr__(self) -> str:
        return f"<Exchange {self.request!r} state={self.state} attempts={self.attempts}>"

    @property
    def request_complete(self) -> bool:
        """Whether the client has sent all of its request."""
        return self._request_complete

    @property
    def started_wall(self) -> float:
        """When it began, in seconds since the epoch."""
        return time.time() - (self.worker.clock() - self.started)
