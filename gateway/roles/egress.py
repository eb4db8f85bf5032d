"""An exchange that leaves the house: what services ask of others through a listener with `forwardProxy` or `egress`.

The problem: a proxy to the outside can be made to carry out what belongs inside (tokens, ids, addresses of services),
and to bring in what nobody asked for. The rule, besides that of every exchange:

- where it may go is decided by its route and by the cluster, for each request anew; redirects are never followed here,
  so each hop comes back as a request of the client and is judged like the first;
- nothing of ours is added: no Forwarded, no X-Forwarded-For; trace context only where the listener says so;
- `removeHeaders` go, and a token of an issuer of ours does not get out at all: once outside, it opens doors inside;
- CONNECT is taken only by routes whose every match says `method: CONNECT`; of a tunnel only name, port and address can
  be judged, so other filters, and header rules, mean nothing inside it;
- `https://` in the target is never carried in plain text.
"""

from __future__ import annotations

import json
import logging
from base64 import urlsafe_b64decode
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from gateway.http.messages import Reply, Request
from gateway.observability.registry import method_label
from gateway.roles.exchange import Exchange
from gateway.roles.facts import CONNECTING, TUNNEL
from gateway.roles.reasons import UNAVAILABLE
from gateway.upstream.cluster import Unavailable
from gateway.upstream.forward import ForwardCluster

if TYPE_CHECKING:
    from gateway.compile.snapshot import CompiledRoute
    from gateway.http.client import ClientConnection
    from gateway.http.server import ServerConnection
    from gateway.roles.worker import Worker
    from gateway.spec.models import JwtProvider, Leaving, Spec
    from gateway.upstream.endpoint import Endpoint

log = logging.getLogger("gateway.egress")

MAX_TOLD: Final = 256
"""Characters of a host name in the log."""
NO_TUNNEL: Final = Reply(501, "connect_refused", "no route takes CONNECT to this host")
PLAIN: Final = Reply(
    403, "egress_scheme_denied", "https was asked for, and this route speaks plain HTTP: use CONNECT, or give it tls"
)
INSIDE_TOKEN: Final = Reply(
    403, "egress_credential_denied", "the request carries a token of this house, which must not leave it"
)


class EgressExchange(Exchange):
    """What one request to the outside goes through."""

    _cleaned: bool = False

    def __init__(self, worker: Worker, request: Request, connection: ServerConnection, *, terms: Leaving) -> None:
        super().__init__(worker, request, connection)
        self._terms = terms
        self._tunnel = request.method == "CONNECT"

    def start(self) -> None:
        """Find the route and run its filters; for CONNECT only a route that is meant for it."""
        if self._tunnel:
            found = self.worker.snapshot.match(self.request)
            if found is not None and not takes_tunnels(found):
                self.route = self.request.route = found
                self._reply(NO_TUNNEL)
                return
        super().start()

    def _connect(self) -> None:
        if not self._cleaned:
            self._cleaned = True
            assert self.route is not None
            refused = clean(self.request, self.route, self._terms, self.worker.snapshot.spec.providers)
            if refused is not None:
                self._reply(refused)
                return
        super()._connect()

    def _context_lines(self) -> bytes:
        """Who asked is nobody's business outside."""
        if not self._terms.trace_context:
            return b""
        lines = super()._context_lines()
        kept = (b"x-request-id:", b"traceparent:", b"tracestate:")
        return b"".join(line + b"\r\n" for line in lines.split(b"\r\n") if line.startswith(kept))

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Send the request; for CONNECT open the tunnel."""
        if not self._tunnel:
            super().connected(connection, endpoint)
        elif self.state != CONNECTING:
            endpoint.released(connection, reusable=False)
        else:
            self._open_tunnel(connection, endpoint)

    def _open_tunnel(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        self.state = TUNNEL
        self.upstream, self.endpoint = connection, endpoint
        self.attempts += 1
        self.try_started = self.last_progress = self.worker.clock()
        self.deadline = self.try_deadline = 0.0
        self.status = self.upstream_status = 200
        self._begun_answer = True
        connection.tunnel(self)
        self.connection.send_connected(self._answer_lines())

    def _reply(self, reply: Reply) -> None:
        if reply.reason in DENIALS:
            self.worker.metrics.egress_denied.add(reply.reason)
            request, route = self.request, self.route.name if self.route else ""
            method, host = method_label(request.method), request.host[:MAX_TOLD]
            log.warning("%s %s by %s: %s (route %s)", method, host, request.client, reply.reason, route)
        super()._reply(reply)


DENIALS: Final = frozenset(
    (
        "connect_refused",
        "dns_failure",
        "egress_address_denied",
        "egress_credential_denied",
        "egress_host_denied",
        "egress_overflow",
        "egress_port_denied",
        "egress_quarantined",
        "egress_scheme_denied",
        "no_route",
    )
)
"""What `gateway_egress_denied_total` counts."""


def takes_tunnels(route: CompiledRoute) -> bool:
    """Whether a route is meant for CONNECT, and for nothing else."""
    return all(match.method == "CONNECT" for match in route.spec.matches)


def clean(request: Request, route: CompiledRoute, terms: Leaving, providers: Iterable[JwtProvider]) -> Reply | None:
    """Take away what stays inside; what must not be there at all refuses the request."""
    removed = {name.encode("ascii") for name in terms.remove_headers}
    if not terms.trace_context:
        removed.add(b"baggage")
    if not removed.isdisjoint(request.fields):
        request.replace_headers([field for field in request.headers if field[0] not in removed])
    if request.target_scheme == "https" and any(cluster.tls is None for cluster in route.clusters):
        return PLAIN
    told = terms.inside_issuers
    inside = {one.issuer for one in providers} if told is None else told
    return INSIDE_TOKEN if carries_token_of(request, inside) else None


def preview(request: Request, route: CompiledRoute, spec: Spec) -> tuple[str, Reply | None]:
    """What would be said of a request that leaves by a way out, and the reply when it may not."""
    listener = next((one for one in spec.listeners if one.name == request.listener), None)
    terms = listener.leaving if listener is not None else None
    if terms is None:
        return "", None
    if request.method == "CONNECT" and not takes_tunnels(route):
        return NO_TUNNEL.detail, NO_TUNNEL
    reply = clean(request, route, terms, spec.providers)
    if reply is not None:
        return reply.detail, reply
    for cluster in route.clusters:
        if isinstance(cluster, ForwardCluster):
            try:
                target = cluster.judge(request)
            except Unavailable as error:
                refusal = UNAVAILABLE[error.reason]
                return f"{request.host}: {refusal.detail}", refusal
            return f"{target.host}, port {target.port}, may be called; its addresses are judged when it is", None
    return "to the endpoints of its cluster", None


def carries_token_of(request: Request, issuers: Collection[str]) -> bool:
    """Whether `Authorization` holds a JWT (RFC 7519) of one of these issuers; nothing is verified, nor needs to be."""
    for value in request.all(b"authorization"):
        _, _, token = value.partition(b" ")
        parts = token.strip().split(b".")
        if len(parts) == 3 and _issuer(parts[1]) in issuers:
            return True
    return False


def _issuer(payload: bytes) -> str:
    try:
        claims = json.loads(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return ""
    return str(claims.get("iss", "")) if isinstance(claims, dict) else ""
